mod huggingface;
