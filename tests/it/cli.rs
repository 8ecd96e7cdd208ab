mod command_line;
mod threads;
