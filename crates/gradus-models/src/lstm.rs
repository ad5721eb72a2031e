//! A recurrent classifier of images, which reads them row by row.

use gradus_nn::{Ctx, Dropout, Linear, Lstm, Module, RecurrentConfig, Result, Scope, Var};

/// The options of [`LstmClassifier`].
#[derive(Clone, Debug, PartialEq)]
pub struct LstmClassifierConfig {
    /// Features of a step: the channels of a row of pixels. Default: 28.
    pub features: usize,
    /// Units of a layer. Default: 128.
    pub hidden: usize,
    /// Layers. Default: 2.
    pub layers: usize,
    /// Dropout between the layers and before the last one. Default: 0.2.
    pub dropout: f64,
    /// Classes. Default: 10.
    pub classes: usize,
}

impl Default for LstmClassifierConfig {
    fn default() -> Self {
        Self {
            features: 28,
            hidden: 128,
            layers: 2,
            dropout: 0.2,
            classes: 10,
        }
    }
}

/// An LSTM over the rows of an image, from top to bottom, and a linear layer on its last output: `(N, C, H, W) -> (N, classes)`.
///
/// Keys are those of a module with `lstm = torch.nn.LSTM` and `fc = torch.nn.Linear`: `lstm.weight_ih_l0`, …, `fc.bias`.
#[derive(Clone, Debug)]
pub struct LstmClassifier {
    lstm: Lstm,
    dropout: Dropout,
    fc: Linear,
}

impl LstmClassifier {
    /// A new classifier at `scope`.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, config: &LstmClassifierConfig) -> Result<Self> {
        let recurrent = RecurrentConfig {
            num_layers: config.layers,
            batch_first: true,
            dropout: config.dropout,
            ..RecurrentConfig::default()
        };
        Ok(Self {
            lstm: Lstm::new(
                &scope.at("lstm"),
                config.features,
                config.hidden,
                &recurrent,
            )?,
            dropout: Dropout::new(&scope.at("dropout"), config.dropout),
            fc: Linear::new(&scope.at("fc"), config.hidden, config.classes)?,
        })
    }
}

impl Module for LstmClassifier {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let [n, c, h, w] = x.shape().to_array("lstm classifier")?;
        let rows = x.permute(&[0, 2, 1, 3])?.reshape([n, h, c * w])?; // (N, H, C·W)
        let (outputs, _) = self.lstm.forward(&rows, None, None, ctx)?; // (N, H, units)
        let last = outputs.select(1, h.saturating_sub(1))?; // (N, units)
        self.fc.forward(&self.dropout.forward(&last, ctx)?, ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_nn::{ParamStore, Tensor};

    #[test]
    fn a_step_is_a_row() {
        let store = ParamStore::seeded(1);
        let config = LstmClassifierConfig {
            features: 6,
            hidden: 5,
            layers: 1,
            dropout: 0.0,
            classes: 2,
        };
        let net = LstmClassifier::new(&store.root(), &config).unwrap();
        let keys: Vec<String> = store.state_dict().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "lstm.weight_ih_l0",
                "lstm.weight_hh_l0",
                "lstm.bias_ih_l0",
                "lstm.bias_hh_l0",
                "fc.weight",
                "fc.bias"
            ]
        );
        let x: Vec<f32> = (0_u8..48).map(|i| f32::from(i) / 48.0).collect();
        let x = Tensor::from_slice(&x, [2, 2, 4, 3]).unwrap(); // (N, C, H, W)
        let scores = net
            .forward(&Var::constant(x.clone()), &Ctx::eval())
            .unwrap();
        // The same rows as a sequence, made by hand.
        let values = x.to_vec::<f32>().unwrap();
        let mut rows: Vec<f32> = Vec::new();
        for n in 0..2 {
            for h in 0..4 {
                for c in 0..2 {
                    let at = (n * 2 + c) * 12 + h * 3;
                    rows.extend(&values[at..at + 3]);
                }
            }
        }
        let rows = Var::constant(Tensor::from_slice(&rows, [2, 4, 6]).unwrap());
        let (_, [last, _]) = net.lstm.forward(&rows, None, None, &Ctx::eval()).unwrap();
        let expected = net
            .fc
            .forward(&last.select(0, 0).unwrap(), &Ctx::eval())
            .unwrap();
        assert_eq!(
            scores.tensor().to_vec::<f32>().unwrap(),
            expected.tensor().to_vec::<f32>().unwrap()
        );
    }
}
