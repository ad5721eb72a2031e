//! The ops, one file each: documentation, validation, forward, backward and tests together.
//!
//! A file defines a struct that implements [`crate::Op`] and the method of [`crate::Var`] that applies it. The loops
//! over memory are kernels of `gradus-linalg`. `docs/adding-an-op.md` shows how to add one.

mod support;

mod abs;
mod adaptive_avg_pool2d;
mod add;
mod add_scalar;
mod amax;
mod amin;
mod argmax;
mod argmin;
mod avg_pool2d;
mod batch_norm;
mod bce_loss;
mod bce_with_logits;
mod cat;
mod clamp;
mod contiguous;
mod conv2d;
mod cos;
mod cross_entropy;
mod div;
mod dropout;
mod elu;
mod erf;
mod exp;
mod expand;
mod expm1;
mod flatten;
mod flip;
mod gather;
mod gelu;
mod gelu_tanh;
mod hardtanh;
mod huber_loss;
mod index_select;
mod l1_loss;
mod layer_norm;
mod leaky_relu;
mod linear;
mod log;
mod log1p;
mod log_sigmoid;
mod log_softmax;
mod logsumexp;
mod matmul;
mod max_dim;
mod max_pool2d;
mod maximum;
mod mean;
mod min_dim;
mod minimum;
mod movedim;
mod mse_loss;
mod mul;
mod mul_scalar;
mod narrow;
mod neg;
mod nll_loss;
mod permute;
mod pow_scalar;
mod recip;
mod relu;
mod reshape;
mod rsqrt;
mod select;
mod sigmoid;
mod silu;
mod sin;
mod slice;
mod smooth_l1_loss;
mod softmax;
mod softplus;
mod sqrt;
mod square;
mod squeeze;
mod stack;
mod std;
mod sub;
mod sum;
mod tanh;
mod to_dtype;
mod transpose;
mod unsqueeze;
mod var;
mod where_;

pub(crate) use add::add_assign;
pub use avg_pool2d::AvgPool2dConfig;
pub use batch_norm::BatchNormOutput;
pub use bce_with_logits::BceWithLogitsConfig;
pub use conv2d::Conv2dConfig;
pub use cross_entropy::CrossEntropyConfig;
pub use max_pool2d::MaxPool2dConfig;
pub use nll_loss::NllLossConfig;
pub use support::loss::Reduction;

#[cfg(test)]
mod tests {
    /// The page shows a file of this folder: it must be the file as it is.
    #[test]
    fn the_page_about_adding_an_op_shows_an_op_as_it_is() {
        let page = include_str!("../../../../docs/adding-an-op.md");
        assert!(
            page.contains(include_str!("square.rs")),
            "docs/adding-an-op.md: copy square.rs anew"
        );
    }
}
