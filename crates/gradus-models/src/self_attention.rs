//! Self-attention with a linear layer each for queries, keys, values and output, as encoders of transformers have it.

use gradus_autograd::ops::AttentionConfig;
use gradus_autograd::{Result, ResultExt, Var};
use gradus_nn::{Ctx, Init, Linear, Module, Scope};

/// Where the four linear layers stand below a block, in the order query, key, value, output.
pub(crate) type AttentionNames = [&'static str; 4];

/// The sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionSize {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// The probability of dropping a weight, in training.
    pub(crate) dropout: f64,
    /// Whether queries, keys and values have biases. The output always has one.
    pub(crate) bias: bool,
}

/// `(B, T, E) -> (B, T, E)`.
#[derive(Clone, Debug)]
pub(crate) struct SelfAttention {
    path: String,
    stream: u64,
    size: AttentionSize,
    input: [Linear; 3],
    output: Linear,
}

impl SelfAttention {
    /// The width must be a multiple of the heads, which the configuration's reader sees to.
    pub(crate) fn new(
        scope: &Scope,
        names: AttentionNames,
        size: AttentionSize,
        init: Init,
    ) -> Result<Self> {
        let layer = |name: &str, bias| {
            Linear::with_init(&scope.at(name), size.width, size.width, bias, init)
        };
        let [query, key, value, output] = names;
        let own = scope.at("attention");
        Ok(Self {
            path: own.path().to_owned(),
            stream: own.stream(),
            size,
            input: [
                layer(query, size.bias)?,
                layer(key, size.bias)?,
                layer(value, size.bias)?,
            ],
            output: layer(output, true)?,
        })
    }

    /// The output, before dropout. In the mask (bool, broadcasts to `(B, heads, T, T)`) true stands where a query sees a key.
    pub(crate) fn forward(&self, x: &Var, mask: Option<&Var>, ctx: &Ctx) -> Result<Var> {
        let AttentionSize {
            width,
            heads,
            dropout,
            ..
        } = self.size;
        let [count, len, _] = x.shape().to_array("attention")?;
        let split = |layer: &Linear| {
            layer
                .forward(x, ctx)?
                .reshape([count, len, heads, width / heads])?
                .transpose(1, 2)
        };
        let [query, key, value] = [
            split(&self.input[0])?,
            split(&self.input[1])?,
            split(&self.input[2])?,
        ];
        let config = AttentionConfig {
            dropout_p: if ctx.is_training() { dropout } else { 0.0 },
            philox: ctx.philox(self.stream),
            step: ctx.step(),
            ..Default::default()
        };
        let joined = query
            .scaled_dot_product_attention(&key, &value, mask, &config)
            .and_then(|heads| heads.transpose(1, 2)?.reshape([count, len, width]))
            .at(|| self.path.as_str())?;
        self.output.forward(&joined, ctx)
    }
}
