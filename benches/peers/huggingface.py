"""Hugging Face's tokenizers, for tokens.py, which runs this. Prints seconds without import and reading as JSON.

huggingface.py train LINES VOCAB_SIZE LONGEST      trains BPE on lines of bases, one word each
huggingface.py encode TOKENIZER_JSON LINES         encodes lines of bases, each as one word, on all cores
"""

import json
import sys
import time

from tokenizers import Tokenizer, models, trainers

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train(path, vocab_size, longest):
    lines = open(path).read().split()
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        max_token_length=longest,
        min_frequency=1,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=list("ACGNT"),
        show_progress=False,
    )
    started = time.perf_counter()
    tokenizer.train_from_iterator(lines, trainer)
    return {"seconds": time.perf_counter() - started, "n": len(lines), "vocabulary": tokenizer.get_vocab_size()}


def encode(tokenizer, path):
    tokenizer = Tokenizer.from_file(tokenizer)
    lines = open(path).read().split()
    started = time.perf_counter()
    encoded = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    return {"seconds": time.perf_counter() - started, "n": len(lines), "tokens": sum(len(one.ids) for one in encoded)}


match sys.argv[1:]:
    case ["train", path, vocab_size, longest]:
        print(json.dumps(train(path, int(vocab_size), int(longest))))
    case ["encode", tokenizer, path]:
        print(json.dumps(encode(tokenizer, path)))
    case _:
        sys.exit(__doc__)
