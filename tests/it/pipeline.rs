mod cluster;
mod run;
