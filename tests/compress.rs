//! Low-rank compression: the rule for ranks against published counts, and the stage on a trained model.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gf_genomics::nn::Rank;

/// A published model: its values in all, the linear layers (in, out) of each of its 12 blocks, and those beside the blocks.
struct Published {
    parameters: usize,
    block: &'static [(usize, usize)],
    beside: &'static [(usize, usize)],
}

/// BERT-base, uncased: query, key, value, output, feed-forward; the pooler.
const BERT: Published = Published {
    parameters: 109_482_240,
    block: &[(768, 768), (768, 768), (768, 768), (768, 768), (768, 3072), (3072, 768)],
    beside: &[(768, 768)],
};

/// GPT-2, small: query, key and value in one, output, feed-forward; no layer beside the blocks, as its head is the embedding.
const GPT_2: Published = Published { parameters: 124_439_808, block: &[(768, 2304), (768, 768), (768, 3072), (3072, 768)], beside: &[] };

impl Published {
    /// Values with the linear layers of the last `blocks` blocks, and those beside them, at `rank`.
    fn at(&self, rank: f64, blocks: usize) -> usize {
        let rank = Rank::from(rank);
        let saved = |&(n_in, n_out): &(usize, usize)| rank.of_layer(n_in, n_out).map_or(0, |rank| n_in * n_out - rank * (n_in + n_out));
        let of = |layers: &[(usize, usize)]| layers.iter().map(saved).sum::<usize>();
        self.parameters - blocks * of(self.block) - of(self.beside)
    }
}

#[test]
fn bert_and_gpt_2_have_the_published_numbers_of_parameters() {
    assert_eq!(BERT.at(1e9, 12), 109_482_240);
    assert_eq!(BERT.at(256.0, 12), 66_818_304);
    assert_eq!(BERT.at(0.4, 12), 58_052_352);
    assert_eq!(BERT.at(0.2, 6), 74_965_248);
    assert_eq!(GPT_2.at(1e9, 12), 124_439_808);
    assert_eq!(GPT_2.at(256.0, 12), 77_253_888);
    assert_eq!(GPT_2.at(0.4, 12), 73_383_168);
    assert_eq!(GPT_2.at(0.2, 6), 90_414_336);
}

#[test]
fn a_layer_is_left_alone_when_factors_would_not_be_smaller() {
    // The limit of a (8, 8) layer is 4, that of a (7, 9) layer 3.9375, which counts as 3.
    let ranks = |n_in, n_out| [1.0, 2.0, 3.0, 4.0, 5.0, 0.2, 0.5, 0.99].map(|rank| Rank::from(rank).of_layer(n_in, n_out));
    assert_eq!(ranks(8, 8), [Some(1), Some(2), Some(3), None, None, None, Some(2), Some(3)]);
    assert_eq!(ranks(7, 9), [Some(1), Some(2), None, None, None, None, Some(1), Some(2)]);
}
