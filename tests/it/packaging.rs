mod packages;
mod python_readers;
mod releases;
