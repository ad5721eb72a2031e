//! Losses as layers that hold their options: PyTorch's `nn.…Loss`. They have no parameters.

use gradus_autograd::ops::{
    BceWithLogitsConfig, CrossEntropyConfig, CtcLossConfig, GaussianNllLossConfig, KlDivConfig,
    MultiMarginLossConfig, NllLossConfig, PoissonNllLossConfig, Reduction, TripletMarginLossConfig,
};
use gradus_autograd::{Result, Tensor, Var};

macro_rules! losses {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr),* $(,)? }
        ($self:ident, $($arg:ident: $arg_kind:ty),+) $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
        impl Default for $name { fn default() -> Self { Self { $($field: $default,)* } } }
        impl $name {
            /// The loss.
            ///
            /// # Errors
            /// Those of the op.
            pub fn forward(&$self, $($arg: $arg_kind),+) -> Result<Var> { $body }
        }
    )*};
}

losses! {
    /// [`Var::mse_loss`]; `torch.nn.MSELoss`.
    MseLoss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.mse_loss(target, None, self.reduction);
    /// [`Var::l1_loss`]; `torch.nn.L1Loss`.
    L1Loss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.l1_loss(target, None, self.reduction);
    /// [`Var::smooth_l1_loss`]; `torch.nn.SmoothL1Loss`.
    SmoothL1Loss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
        /// Where the parabola ends. Default: 1.
        beta: f64 = 1.0,
    } (self, x: &Var, target: &Var) x.smooth_l1_loss(target, self.beta, self.reduction);
    /// [`Var::huber_loss`]; `torch.nn.HuberLoss`.
    HuberLoss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
        /// Where the parabola ends. Default: 1.
        delta: f64 = 1.0,
    } (self, x: &Var, target: &Var) x.huber_loss(target, self.delta, None, self.reduction);
    /// [`Var::binary_cross_entropy`]; `torch.nn.BCELoss`.
    BceLoss {
        /// The weight of each element's loss, broadcast. Default: none.
        weight: Option<Var> = None,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.binary_cross_entropy(target, self.weight.as_ref(), self.reduction);
    /// [`Var::binary_cross_entropy_with_logits`]; `torch.nn.BCEWithLogitsLoss`.
    BceWithLogitsLoss {
        /// Its options.
        config: BceWithLogitsConfig = BceWithLogitsConfig::default(),
    } (self, x: &Var, target: &Var) x.binary_cross_entropy_with_logits(target, &self.config);
    /// [`Var::cross_entropy`], or [`Var::cross_entropy_with_probabilities`] of a float target; `torch.nn.CrossEntropyLoss`.
    CrossEntropyLoss {
        /// Its options.
        config: CrossEntropyConfig = CrossEntropyConfig::default(),
    } (self, x: &Var, target: &Var) if target.dtype().is_float() {
        x.cross_entropy_with_probabilities(target, &self.config)
    } else {
        x.cross_entropy(target.tensor(), &self.config)
    };
    /// [`Var::nll_loss`]; `torch.nn.NLLLoss`.
    NllLoss {
        /// Its options.
        config: NllLossConfig = NllLossConfig::default(),
    } (self, x: &Var, target: &Tensor) x.nll_loss(target, &self.config);
    /// [`Var::kl_div`]; `torch.nn.KLDivLoss`.
    KlDivLoss {
        /// Its options.
        config: KlDivConfig = KlDivConfig::default(),
    } (self, x: &Var, target: &Var) x.kl_div(target, &self.config);
    /// [`Var::hinge_loss`].
    HingeLoss {
        /// Default: 1.
        margin: f64 = 1.0,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.hinge_loss(target, self.margin, self.reduction);
    /// [`Var::hinge_embedding_loss`]; `torch.nn.HingeEmbeddingLoss`.
    HingeEmbeddingLoss {
        /// Default: 1.
        margin: f64 = 1.0,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Tensor) x.hinge_embedding_loss(target, self.margin, self.reduction);
    /// [`Var::cosine_embedding_loss`]; `torch.nn.CosineEmbeddingLoss`.
    CosineEmbeddingLoss {
        /// Default: 0.
        margin: f64 = 0.0,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, input2: &Var, target: &Tensor) x.cosine_embedding_loss(input2, target, self.margin, self.reduction);
    /// [`Var::margin_ranking_loss`]; `torch.nn.MarginRankingLoss`.
    MarginRankingLoss {
        /// Default: 0.
        margin: f64 = 0.0,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, input2: &Var, target: &Var) x.margin_ranking_loss(input2, target, self.margin, self.reduction);
    /// [`Var::triplet_margin_loss`]; `torch.nn.TripletMarginLoss`.
    TripletMarginLoss {
        /// Its options.
        config: TripletMarginLossConfig = TripletMarginLossConfig::default(),
    } (self, anchor: &Var, positive: &Var, negative: &Var) anchor.triplet_margin_loss(positive, negative, &self.config);
    /// [`Var::multi_margin_loss`]; `torch.nn.MultiMarginLoss`.
    MultiMarginLoss {
        /// Its options.
        config: MultiMarginLossConfig = MultiMarginLossConfig::default(),
    } (self, x: &Var, target: &Tensor) x.multi_margin_loss(target, &self.config);
    /// [`Var::multilabel_margin_loss`]; `torch.nn.MultiLabelMarginLoss`.
    MultiLabelMarginLoss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Tensor) x.multilabel_margin_loss(target, self.reduction);
    /// [`Var::multilabel_soft_margin_loss`]; `torch.nn.MultiLabelSoftMarginLoss`.
    MultiLabelSoftMarginLoss {
        /// The weight of each class. Default: none.
        weight: Option<Var> = None,
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.multilabel_soft_margin_loss(target, self.weight.as_ref(), self.reduction);
    /// [`Var::soft_margin_loss`]; `torch.nn.SoftMarginLoss`.
    SoftMarginLoss {
        /// Default: the mean.
        reduction: Reduction = Reduction::Mean,
    } (self, x: &Var, target: &Var) x.soft_margin_loss(target, self.reduction);
    /// [`Var::poisson_nll_loss`]; `torch.nn.PoissonNLLLoss`.
    PoissonNllLoss {
        /// Its options.
        config: PoissonNllLossConfig = PoissonNllLossConfig::default(),
    } (self, x: &Var, target: &Var) x.poisson_nll_loss(target, &self.config);
    /// [`Var::gaussian_nll_loss`]; `torch.nn.GaussianNLLLoss`.
    GaussianNllLoss {
        /// Its options.
        config: GaussianNllLossConfig = GaussianNllLossConfig::default(),
    } (self, x: &Var, target: &Var, var: &Var) x.gaussian_nll_loss(target, var, &self.config);
    /// [`Var::ctc_loss`]; `torch.nn.CTCLoss`.
    CtcLoss {
        /// Its options.
        config: CtcLossConfig = CtcLossConfig::default(),
    } (self, x: &Var, targets: &Tensor, input_lengths: &Tensor, target_lengths: &Tensor)
        x.ctc_loss(targets, input_lengths, target_lengths, &self.config);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_reach_the_ops() {
        let x = Var::constant(Tensor::from_slice(&[3.0_f64, 0.0], [2]).unwrap());
        let target = Var::constant(Tensor::zeros([2], gradus_autograd::DType::F64).unwrap());
        let (reduction, delta) = (Reduction::Sum, 2.0);
        let loss = HuberLoss { reduction, delta }.forward(&x, &target).unwrap();
        assert_eq!(loss.item::<f64>().unwrap(), 4.0);
        let loss = CrossEntropyLoss::default();
        let soft = loss
            .forward(&x, &x.softmax(0).unwrap())
            .unwrap()
            .item::<f64>()
            .unwrap();
        let hard = Var::constant(Tensor::scalar(0_i64).unwrap());
        assert!(soft > loss.forward(&x, &hard).unwrap().item::<f64>().unwrap());
    }
}
