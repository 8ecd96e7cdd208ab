//! The axes of a model as options, for each command that makes one.

use crate::models::{Architecture, ArchitectureChoice, AttentionKind, Preset, Projection, Sharing};
use gf_cohort_schema::arguments::one_of;
use gf_nn::{Activation, Rank};

/// The model: a preset, and whatever axis should differ from it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ArchitectureArgs {
    /// Model of the family.
    #[arg(long, default_value = "linformer", value_parser = one_of::<Preset>())]
    preset: Preset,
    /// How tokens see each other [default: the preset's].
    #[arg(long, value_parser = one_of::<AttentionKind>())]
    attention: Option<AttentionKind>,
    /// Linear layers of the encoder as two factors of this rank: from 1 on the rank, below a share
    /// of the rank up to which that saves anything.
    #[arg(long, value_name = "R")]
    rank: Option<f64>,
    /// Non-linear function of the feed-forward layer [default: the preset's].
    #[arg(long, value_parser = one_of::<Activation>())]
    activation: Option<Activation>,
    /// Depthwise convolution of width 3 after queries, keys and values (Primer) [default: the
    /// preset's].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    convolution: Option<bool>,
    /// Which of Linformer's projections are the same [default: key-value].
    #[arg(long, value_parser = one_of::<Sharing>())]
    sharing: Option<Sharing>,
    /// How Linformer summarises the sequence [default: learned].
    #[arg(long, value_parser = one_of::<Projection>())]
    projection: Option<Projection>,
    /// Linformer's k: rows that the sequence is summarised in [default: 64].
    #[arg(long, value_name = "K")]
    projected_length: Option<usize>,
    /// Bits of EcoFormer's codes [default: 16].
    #[arg(long, value_name = "BITS")]
    hash_bits: Option<usize>,
    /// EcoFormer's numerator as the released code has it, for parity; its weights do not sum to
    /// one.
    #[arg(long)]
    released_numerator: bool,
    /// Width of a token's vector [default: 32].
    #[arg(long)]
    hidden: Option<usize>,
    /// Encoder layers [default: 2].
    #[arg(long)]
    layers: Option<usize>,
    /// Attention heads [default: 4].
    #[arg(long)]
    heads: Option<usize>,
    /// Width of the feed-forward layer [default: 128].
    #[arg(long)]
    feed_forward: Option<usize>,
}

impl ArchitectureArgs {
    /// As the stages take it.
    pub fn architecture(self) -> anyhow::Result<Architecture> {
        let Self {
            preset,
            attention,
            activation,
            convolution,
            sharing,
            projection,
            projected_length,
            hash_bits,
            ..
        } = self;
        let Self {
            hidden,
            layers,
            heads,
            feed_forward,
            ..
        } = self;
        let rank = self.rank.map(Rank::from);
        let released_numerator = self.released_numerator.then_some(true);
        let choice = ArchitectureChoice {
            preset,
            attention,
            rank,
            activation,
            convolution,
            sharing,
            projection,
            projected_length,
            hash_bits,
            released_numerator,
            hidden,
            layers,
            heads,
            feed_forward,
        };
        let architecture = Architecture::from(choice);
        architecture.check_unused()?;
        Ok(architecture)
    }
}
