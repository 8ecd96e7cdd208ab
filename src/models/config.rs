//! The configuration of a model: its architecture, and the shapes that depend on the data.
//!
//! The encoder has independent options: attention, linear layers (dense or low-rank), activation
//! and convolution. A [`Preset`] is a published choice of all of them. Every option can also be set
//! separately.

use candle_core::{Result, bail};
use gf_cohort_schema::arguments::{name_of, one_of};
use serde::{Deserialize, Serialize};

use gf_nn::{Activation, Rank};

/// Published architectures, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Linformer (Wang et al. 2020, arXiv 2006.04768).
    #[default]
    Linformer,
    /// Transformer (Vaswani et al. 2017, arXiv 1706.03762), pre-norm.
    Transformer,
    /// Low-Rank Transformer (Winata et al. 2020, arXiv 1910.13923).
    LowRankTransformer,
    /// EcoFormer (Liu et al. 2022, arXiv 2209.09004).
    Ecoformer,
    /// Primer (So et al. 2021, arXiv 2109.08668).
    Primer,
}

impl Preset {
    /// Every preset; `tests/it/models/contract.rs` checks each of them by the same rules.
    pub const ALL: [Self; 5] = [
        Self::Linformer,
        Self::Transformer,
        Self::LowRankTransformer,
        Self::Ecoformer,
        Self::Primer,
    ];

    /// The architecture by this name, with the sizes of the default.
    #[must_use]
    pub fn architecture(self) -> Architecture {
        let sizes = Architecture {
            preset: self,
            ..Architecture::default()
        };
        match self {
            Self::Linformer => sizes,
            Self::Transformer => Architecture {
                attention: AttentionKind::Softmax,
                ..sizes
            },
            Self::LowRankTransformer => Architecture {
                attention: AttentionKind::Softmax,
                rank: Some(DEFAULT_RANK),
                ..sizes
            },
            Self::Ecoformer => Architecture {
                attention: AttentionKind::Ecoformer,
                ..sizes
            },
            Self::Primer => Architecture {
                attention: AttentionKind::Softmax,
                activation: Activation::SquaredRelu,
                convolution: true,
                ..sizes
            },
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// Half of the largest rank that still saves parameters. A square layer then has half as many
/// values.
const DEFAULT_RANK: Rank = Rank::Share(0.5);

/// Attention of tokens to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// Every token attends to every other token; quadratic in the length.
    Softmax,
    /// Every token attends to `projected_length` summaries of the sequence; linear in the length.
    #[default]
    Linformer,
    /// Attention by binary codes; linear in the length.
    Ecoformer,
}

/// Sharing of Linformer's projections (section 4 of the paper).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// A separate E and F for each head of each layer.
    None,
    /// A separate E and F for each layer.
    Headwise,
    /// One E for keys and values of each layer.
    #[default]
    KeyValue,
    /// One E for all layers.
    Layerwise,
}

/// Linformer's summary of the sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Projection {
    /// A learned matrix with a column for each slot.
    #[default]
    Learned,
    /// The mean over the tokens of each window. There are at most `projected_length` windows, with
    /// the same width at every locus.
    Mean,
    /// The maximum over the tokens of each window, for each channel.
    Max,
    /// A weighted mean of each window, with one learned weight per slot in the window and channel.
    Conv,
}

/// The architecture of a model: every option has a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "ArchitectureChoice")]
pub struct Architecture {
    /// Preset of the options that were not set; also the model's name in every table.
    pub preset: Preset,
    /// Attention of tokens to each other.
    pub attention: AttentionKind,
    /// Rank of the two factors of the encoder's linear layers; dense when absent.
    pub rank: Option<Rank>,
    /// Activation of the feed-forward layer.
    pub activation: Activation,
    /// Primer's multi-DConv-head attention: a depthwise convolution of width 3 after queries, keys
    /// and values.
    pub convolution: bool,
    /// Sharing of Linformer's projections.
    pub sharing: Sharing,
    /// Linformer's summary of the sequence.
    pub projection: Projection,
    /// Linformer's k: the sequence is summarised in this many rows.
    pub projected_length: usize,
    /// EcoFormer's code length.
    pub hash_bits: usize,
    /// EcoFormer: the value sum of the released code (c times a token's own value), whose weights
    /// do not sum to one.
    pub released_numerator: bool,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            preset: Preset::Linformer,
            attention: AttentionKind::Linformer,
            rank: None,
            activation: Activation::Gelu,
            convolution: false,
            sharing: Sharing::KeyValue,
            projection: Projection::Learned,
            projected_length: 64,
            hash_bits: 16,
            released_numerator: false,
            hidden: 32,
            layers: 2,
            heads: 4,
            feed_forward: 128,
        }
    }
}

impl Architecture {
    /// Refuses a rank at which every layer of the encoder would stay dense.
    ///
    /// # Errors
    /// Names the limits.
    pub fn check_rank(&self, rank: Rank) -> Result<()> {
        let hidden = self.hidden;
        let wide = self.feed_forward;
        if rank.of_layer(hidden, hidden).is_none() && rank.of_layer(hidden, wide).is_none() {
            let square = Rank::limit(hidden, hidden);
            let to_wide = Rank::limit(hidden, wide);
            bail!(
                "rank {} factorises no layer. The rank must be at least 1, and less than {square} \
                 ({hidden} x {hidden}) or {to_wide} ({hidden} x {wide}); set another rank, or a \
                 larger hidden",
                f64::from(rank)
            );
        }
        Ok(())
    }

    /// Refuses an option of another attention that differs from its default, because it would have
    /// no effect.
    ///
    /// # Errors
    /// Names the option.
    pub fn check_unused(&self) -> Result<()> {
        let default = Self::default();
        self.refuse_unused(
            AttentionKind::Linformer,
            &[
                ("sharing", self.sharing != default.sharing),
                ("projection", self.projection != default.projection),
                (
                    "projected_length",
                    self.projected_length != default.projected_length,
                ),
            ],
        )?;
        self.refuse_unused(
            AttentionKind::Ecoformer,
            &[
                ("hash_bits", self.hash_bits != default.hash_bits),
                (
                    "released_numerator",
                    self.released_numerator != default.released_numerator,
                ),
            ],
        )
    }

    /// Refuses options of the attention `owner` that differ from their defaults, in a model with
    /// another attention.
    fn refuse_unused(&self, owner: AttentionKind, axes: &[(&str, bool)]) -> Result<()> {
        match axes.iter().find(|(_, differs)| *differs) {
            Some((axis, _)) if self.attention != owner => {
                bail!(
                    "`{axis}` is an option of the attention {owner:?}, but this model has {:?}; \
                     leave it out",
                    self.attention
                )
            }
            _ => Ok(()),
        }
    }

    /// Refuses a sharing without effect: windows have fewer weights to share than a learned matrix.
    fn check_sharing(&self) -> Result<()> {
        match (self.projection, self.sharing) {
            _ if self.attention != AttentionKind::Linformer
                || self.sharing == Sharing::KeyValue =>
            {
                Ok(())
            }
            (Projection::Mean | Projection::Max, _) => {
                bail!(
                    "the projections mean and max have no weights to share; leave `sharing` at \
                     key-value"
                )
            }
            (Projection::Conv, Sharing::None) => {
                bail!(
                    "the projection conv has separate weights for each channel and each head; set \
                     `sharing` to headwise"
                )
            }
            _ => Ok(()),
        }
    }
}

/// A preset and the options that differ from it, for every command that makes a model and for
/// `[models.architecture]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(next_help_heading = "Model")]
#[serde(default, deny_unknown_fields)]
pub struct ArchitectureChoice {
    /// Published architecture. It sets every option that is not set explicitly.
    #[arg(
        long,
        value_parser = one_of::<Preset>(),
        default_value = name_of(&Preset::default())
    )]
    pub preset: Preset,
    /// Attention, the way in which tokens see each other [default: the preset's].
    #[arg(long, value_parser = one_of::<AttentionKind>())]
    pub attention: Option<AttentionKind>,
    /// Rank of the factorised linear layers of the encoder. R >= 1 is the rank itself. R < 1 is a
    /// fraction of the largest rank that still saves parameters [default: the preset's].
    #[arg(long, value_parser = parse_rank, value_name = "R")]
    pub rank: Option<Rank>,
    /// Activation function of the feed-forward layer [default: the preset's].
    #[arg(long, value_parser = one_of::<Activation>())]
    pub activation: Option<Activation>,
    /// Depthwise convolution of width 3 after queries, keys and values (Primer's multi-DConv-head
    /// attention) [default: the preset's].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub convolution: Option<bool>,
    /// Linformer: projections that share weights [default: key-value].
    #[arg(long, value_parser = one_of::<Sharing>())]
    pub sharing: Option<Sharing>,
    /// Linformer: method to summarise the sequence [default: learned].
    #[arg(long, value_parser = one_of::<Projection>())]
    pub projection: Option<Projection>,
    /// Linformer: number of rows that the sequence is summarised in, the k of the paper
    /// [default: 64].
    #[arg(long, value_name = "K")]
    pub projected_length: Option<usize>,
    /// `EcoFormer`: bits in a code [default: 16].
    #[arg(long, value_name = "BITS")]
    pub hash_bits: Option<usize>,
    /// `EcoFormer`: compute the numerator like the released code, whose weights do not sum to one.
    /// For comparison with published results only.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub released_numerator: Option<bool>,
    /// Width of a token's vector [default: 32].
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Number of encoder layers [default: 2].
    #[arg(long)]
    pub layers: Option<usize>,
    /// Number of attention heads. It must divide the hidden width [default: 4].
    #[arg(long)]
    pub heads: Option<usize>,
    /// Width of the feed-forward layer [default: 128].
    #[arg(long)]
    pub feed_forward: Option<usize>,
}

/// Reads the value of `--rank`.
fn parse_rank(text: &str) -> std::result::Result<Rank, std::num::ParseFloatError> {
    text.parse().map(|rank: f64| Rank::from(rank))
}

// The command line has the options of a choice.
impl clap::Args for Architecture {
    fn augment_args(command: clap::Command) -> clap::Command {
        ArchitectureChoice::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        ArchitectureChoice::augment_args_for_update(command)
    }
}

impl clap::FromArgMatches for Architecture {
    fn from_arg_matches(matches: &clap::ArgMatches) -> std::result::Result<Self, clap::Error> {
        ArchitectureChoice::from_arg_matches(matches).map(Self::from)
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &clap::ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl From<ArchitectureChoice> for Architecture {
    fn from(choice: ArchitectureChoice) -> Self {
        let preset = choice.preset.architecture();
        Self {
            preset: preset.preset,
            attention: choice.attention.unwrap_or(preset.attention),
            rank: choice.rank.or(preset.rank),
            activation: choice.activation.unwrap_or(preset.activation),
            convolution: choice.convolution.unwrap_or(preset.convolution),
            sharing: choice.sharing.unwrap_or(preset.sharing),
            projection: choice.projection.unwrap_or(preset.projection),
            projected_length: choice.projected_length.unwrap_or(preset.projected_length),
            hash_bits: choice.hash_bits.unwrap_or(preset.hash_bits),
            released_numerator: choice
                .released_numerator
                .unwrap_or(preset.released_numerator),
            hidden: choice.hidden.unwrap_or(preset.hidden),
            layers: choice.layers.unwrap_or(preset.layers),
            heads: choice.heads.unwrap_or(preset.heads),
            feed_forward: choice.feed_forward.unwrap_or(preset.feed_forward),
        }
    }
}

/// Slots of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusShape {
    /// Name of the locus.
    pub name: String,
    /// Slots of a haplotype, `[CLS]` and `[SEP]` included.
    pub n_slots: usize,
}

/// Architecture and shapes: all that is needed to build the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Options of the user.
    pub architecture: Architecture,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Loci, in order.
    pub loci: Vec<LocusShape>,
    /// Covariates.
    pub n_covariates: usize,
}

impl Config {
    /// Refuses an architecture that is invalid for any data.
    ///
    /// # Errors
    /// Names the size or the option.
    pub fn check(architecture: &Architecture) -> Result<()> {
        let loci = vec![LocusShape {
            name: String::new(),
            n_slots: 1,
        }];
        let config = Self {
            architecture: architecture.clone(),
            vocab_size: 1,
            loci,
            n_covariates: 0,
        };
        architecture.check_unused()?;
        config.validate()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let Architecture {
            hidden,
            layers,
            heads,
            projected_length,
            feed_forward,
            hash_bits,
            rank,
            ..
        } = self.architecture;
        if [
            hidden,
            layers,
            heads,
            projected_length,
            feed_forward,
            hash_bits,
            self.vocab_size,
        ]
        .contains(&0)
        {
            bail!(
                "hidden, layers, heads, projected_length, feed_forward, hash_bits and the \
                 vocabulary must all be at least 1"
            );
        }
        if hidden % heads != 0 {
            bail!("hidden ({hidden}) must be a multiple of heads ({heads})");
        }
        if let Some(rank) = rank {
            rank.validate()?;
            self.architecture.check_rank(rank)?;
        }
        self.architecture.check_sharing()?;
        if self.loci.is_empty() || self.loci.iter().any(|locus| locus.n_slots == 0) {
            bail!("a model needs loci with at least one slot each");
        }
        // The sum is compared with shapes of tensors, so that it must not overflow to a valid
        // shape.
        if self
            .loci
            .iter()
            .try_fold(0_usize, |sum, locus| sum.checked_add(locus.n_slots))
            .is_none()
        {
            bail!("the loci have more slots than can be numbered; use fewer or shorter loci");
        }
        Ok(())
    }

    /// The configuration of a deep term next to an additive term: the same architecture over some
    /// of the loci, without covariates.
    #[must_use]
    pub fn of_loci(&self, loci: &[usize]) -> Self {
        Self {
            loci: loci.iter().map(|&locus| self.loci[locus].clone()).collect(),
            n_covariates: 0,
            ..self.clone()
        }
    }

    /// Slots of a window of Linformer's projections.
    ///
    /// The longest locus has `projected_length` windows of this width. Shorter loci have fewer.
    pub(super) fn window(&self) -> usize {
        let longest = self
            .loci
            .iter()
            .map(|locus| locus.n_slots)
            .max()
            .unwrap_or(1);
        longest.div_ceil(self.architecture.projected_length)
    }

    /// Slots over all loci.
    #[must_use]
    pub fn total_slots(&self) -> usize {
        self.loci.iter().map(|locus| locus.n_slots).sum()
    }

    /// Mean number of slots of a locus.
    #[must_use]
    pub fn mean_slots(&self) -> f64 {
        self.total_slots() as f64 / self.loci.len().max(1) as f64
    }

    /// First slot of a locus among [`Config::total_slots`].
    #[must_use]
    pub fn slot_offset(&self, locus: usize) -> usize {
        self.loci[..locus].iter().map(|locus| locus.n_slots).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_set_overrides_the_preset() {
        let primer = read("preset = \"primer\"\nattention = \"linformer\"\nhidden = 64\n");
        assert_eq!(
            (primer.attention, primer.activation, primer.convolution),
            (AttentionKind::Linformer, Activation::SquaredRelu, true)
        );
        assert_eq!(primer.hidden, 64);
        assert_eq!(read(""), Architecture::default());
        assert_eq!(
            read("preset = \"low-rank-transformer\"\n").rank,
            Some(Rank::Share(0.5))
        );
        assert!(toml::from_str::<Architecture>("attention = \"linear\"").is_err());
    }

    fn read(text: &str) -> Architecture {
        toml::from_str(text).unwrap()
    }

    fn check(projection: Projection, sharing: Sharing) -> Result<()> {
        let architecture = Architecture {
            sharing,
            projection,
            ..Architecture::default()
        };
        architecture.check_sharing()
    }

    #[test]
    fn sharing_that_would_change_nothing_is_refused() {
        for projection in [
            Projection::Learned,
            Projection::Mean,
            Projection::Max,
            Projection::Conv,
        ] {
            assert!(check(projection, Sharing::KeyValue).is_ok());
        }
        for sharing in [Sharing::None, Sharing::Headwise, Sharing::Layerwise] {
            assert!(check(Projection::Learned, sharing).is_ok());
            assert!(
                check(Projection::Mean, sharing)
                    .unwrap_err()
                    .to_string()
                    .contains("no weights to share")
            );
            assert!(check(Projection::Max, sharing).is_err());
            assert_eq!(
                check(Projection::Conv, sharing).is_ok(),
                sharing != Sharing::None
            );
        }
    }

    #[test]
    fn an_option_of_another_attention_is_refused() {
        let softmax = Preset::Transformer.architecture();
        assert!(softmax.check_unused().is_ok());
        let message =
            |architecture: Architecture| architecture.check_unused().unwrap_err().to_string();
        assert!(
            message(Architecture {
                sharing: Sharing::Headwise,
                ..softmax.clone()
            })
            .contains("`sharing` is an option of the attention Linformer")
        );
        assert!(
            message(Architecture {
                projected_length: 8,
                ..Preset::Ecoformer.architecture()
            })
            .contains("`projected_length`")
        );
        assert!(
            message(Architecture {
                hash_bits: 8,
                ..Architecture::default()
            })
            .contains("`hash_bits` is an option of the attention Ecoformer")
        );
        assert!(
            Architecture {
                hash_bits: 8,
                ..Preset::Ecoformer.architecture()
            }
            .check_unused()
            .is_ok()
        );
    }

    #[test]
    fn a_rank_that_would_leave_every_layer_dense_is_refused() {
        for rank in [Rank::Absolute(64), Rank::Absolute(25), Rank::Share(0.01)] {
            let error = Architecture::default()
                .check_rank(rank)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("16 (32 x 32)") && error.contains("25 (32 x 128)"),
                "{error}"
            );
        }
        // The feed-forward layers alone, and all.
        for rank in [Rank::Absolute(24), Rank::Absolute(1), Rank::Share(0.5)] {
            assert!(Architecture::default().check_rank(rank).is_ok());
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for preset in Preset::ALL {
            let architecture = preset.architecture();
            let json = serde_json::to_string(&architecture).unwrap();
            assert_eq!(
                serde_json::from_str::<Architecture>(&json).unwrap(),
                architecture
            );
        }
    }
}
