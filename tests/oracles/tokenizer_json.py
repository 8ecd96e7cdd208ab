"""What Hugging Face's Python library makes of our tokenizers, for tests/it/tokens/huggingface.rs, which runs this.

    python3 -m venv V; V/bin/pip install tokenizers==0.23.3; GF_PYTHON=V/bin/python cargo test --release --test it tokens::huggingface

    tokenizer_json.py encode TOKENIZER_JSON     segments on stdin, one a line      -> their ids, one line each, separated by blanks
    tokenizer_json.py train VOCAB_SIZE LONGEST  lines `segment<TAB>count` on stdin -> the trained tokenizer.json; LONGEST token, or none
"""

import sys

from tokenizers import Tokenizer, models, trainers

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def encode(path):
    tokenizer = Tokenizer.from_file(path)
    for line in sys.stdin:
        print(*tokenizer.encode(line.rstrip("\n"), add_special_tokens=False).ids)


def train(vocab_size, longest):
    counted = [line.rstrip("\n").split("\t") for line in sys.stdin]
    words = [segment for segment, count in counted for _ in range(int(count))]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        max_token_length=longest,
        min_frequency=1,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=list("ACGNT"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(words, trainer)
    print(tokenizer.to_str())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["encode", path]:
            encode(path)
        case ["train", vocab_size, longest]:
            train(int(vocab_size), None if longest == "none" else int(longest))
        case _:
            sys.exit(__doc__)
