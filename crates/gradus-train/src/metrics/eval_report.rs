//! The result of an evaluation, and its JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Averages;
use crate::jsonl::serialize_number;

/// Scores of one class in an [`EvalReport`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ClassReport {
    /// Name of the class.
    pub class: String,
    /// How often a prediction of this class is right; 0 if it was never predicted.
    pub precision: f64,
    /// How many of the class were found; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// True examples of the class.
    pub support: u64,
    /// One-vs-rest ROC-AUC; `None` where it is undefined.
    pub roc_auc: Option<f64>,
}

/// What an evaluation found. All shares are in `0..=1`, the loss in nats.
///
/// # JSON
/// `loss, accuracy, top5, precision_macro, recall_macro, f1_macro, precision_micro, recall_micro, f1_micro, precision_weighted,
/// recall_weighted, f1_weighted, roc_auc, examples, invalid, classes, confusion, per_class`. An undefined `roc_auc` is `null`. A loss that
/// is not finite is `null` and spelt out in `loss_nonfinite` (`"NaN"`, `"inf"`, `"-inf"`), since JSON has no such numbers. Of a language
/// model: `loss, accuracy, perplexity, examples` (tokens).
#[derive(Debug, Clone, PartialEq)]
pub struct EvalReport {
    /// Mean loss an example.
    pub loss: f64,
    /// Share of right predictions.
    pub accuracy: f64,
    /// Share of examples whose class is among the five best.
    pub top5: f64,
    /// Plain mean over the classes that occur.
    pub macro_avg: Averages,
    /// From the summed counts.
    pub micro_avg: Averages,
    /// Mean weighted by support.
    pub weighted_avg: Averages,
    /// ROC-AUC (binary, or one-vs-rest macro); `None` where it is undefined.
    pub roc_auc: Option<f64>,
    /// Examples scored.
    pub examples: u64,
    /// Of these, examples whose logits held a NaN.
    pub invalid: u64,
    /// Class names in label order; empty for a language model, whose report has no scores by class.
    pub classes: Vec<String>,
    /// `confusion[true][predicted]`.
    pub confusion: Vec<Vec<u64>>,
    /// Scores by class, in label order.
    pub per_class: Vec<ClassReport>,
}

impl EvalReport {
    /// The report of a language model: mean loss and share of right predictions over `tokens` tokens.
    pub fn of_tokens(loss: f64, accuracy: f64, tokens: u64) -> Self {
        let none = Averages {
            precision: 0.0,
            recall: 0.0,
            f1: 0.0,
        };
        Self {
            loss,
            accuracy,
            top5: 0.0,
            macro_avg: none,
            micro_avg: none,
            weighted_avg: none,
            roc_auc: None,
            examples: tokens,
            invalid: 0,
            classes: Vec::new(),
            confusion: Vec::new(),
            per_class: Vec::new(),
        }
    }

    /// Whether there are scores by class.
    pub fn has_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// `exp` of the loss: among how many equally likely tokens a language model hesitates.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }
}

impl Serialize for EvalReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_number(&mut map, "loss", self.loss)?;
        serialize_number(&mut map, "accuracy", self.accuracy)?;
        if !self.has_classes() {
            serialize_number(&mut map, "perplexity", self.perplexity())?;
            map.serialize_entry("examples", &self.examples)?;
            return map.end();
        }
        serialize_number(&mut map, "top5", self.top5)?;
        for (suffix, average) in [
            ("macro", self.macro_avg),
            ("micro", self.micro_avg),
            ("weighted", self.weighted_avg),
        ] {
            serialize_number(&mut map, &format!("precision_{suffix}"), average.precision)?;
            serialize_number(&mut map, &format!("recall_{suffix}"), average.recall)?;
            serialize_number(&mut map, &format!("f1_{suffix}"), average.f1)?;
        }
        map.serialize_entry("roc_auc", &self.roc_auc)?;
        map.serialize_entry("examples", &self.examples)?;
        map.serialize_entry("invalid", &self.invalid)?;
        map.serialize_entry("classes", &self.classes)?;
        map.serialize_entry("confusion", &self.confusion)?;
        map.serialize_entry("per_class", &self.per_class)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::EvalReport;
    use crate::metrics::{EvalConfig, Evaluation};

    /// Made by scikit-learn; see `make_metrics.py` beside it.
    const GOLDEN: &str = include_str!("../../tests/golden/metrics.json");

    fn evaluate(case: &Value) -> EvalReport {
        let classes = case["classes"].as_u64().expect("classes");
        let names: Vec<String> = (0..classes).map(|c| format!("c{c}")).collect();
        let logits: Vec<f32> = case["logits"]
            .as_array()
            .expect("logits")
            .iter()
            .map(|x| x.as_f64().expect("number") as f32)
            .collect();
        let labels: Vec<i64> = case["labels"]
            .as_array()
            .expect("labels")
            .iter()
            .map(|x| x.as_i64().expect("integer"))
            .collect();
        let mut e = Evaluation::new(&names, EvalConfig::default()).expect("classes");
        e.update(&logits, &labels, case["loss"].as_f64().expect("loss"))
            .expect("valid");
        e.report().expect("examples")
    }

    /// Every number of `want` is in `got`, to 1e-12.
    #[track_caller]
    fn assert_close(got: &Value, want: &Value, at: &str) {
        match want {
            Value::Object(map) => map
                .iter()
                .for_each(|(k, v)| assert_close(&got[k], v, &format!("{at}.{k}"))),
            Value::Array(list) => {
                assert_eq!(got.as_array().map(Vec::len), Some(list.len()), "{at}");
                list.iter()
                    .enumerate()
                    .for_each(|(i, v)| assert_close(&got[i], v, &format!("{at}[{i}]")));
            }
            Value::Number(w) => {
                let (g, w) = (got.as_f64(), w.as_f64().expect("finite"));
                assert!(
                    g.is_some_and(|g| (g - w).abs() < 1e-12),
                    "{at}: {got} is not {w}"
                );
            }
            other => assert_eq!(got, other, "{at}"),
        }
    }

    #[test]
    fn equals_scikit_learn() {
        let cases: Vec<Value> = serde_json::from_str(GOLDEN).expect("golden is JSON");
        assert!(cases.len() >= 4);
        for case in &cases {
            let got = serde_json::to_value(evaluate(case)).expect("serialises");
            assert_close(&got, &case["want"], case["name"].as_str().expect("name"));
        }
    }

    #[test]
    fn json_has_the_fields_scripts_read() {
        let mut e =
            Evaluation::new(&["a".into(), "b".into()], EvalConfig::default()).expect("classes");
        e.update(&[1.0, 0.0, 0.0, 1.0], &[0, 1], 0.5)
            .expect("valid");
        let text = serde_json::to_string(&e.report().expect("examples")).expect("serialises");
        let got: Value = serde_json::from_str(&text).expect("JSON");
        let want = json!({
            "loss": 0.5, "accuracy": 1.0, "top5": 1.0, "precision_macro": 1.0, "recall_macro": 1.0, "f1_macro": 1.0,
            "f1_micro": 1.0, "f1_weighted": 1.0, "roc_auc": 1.0, "examples": 2, "invalid": 0,
            "classes": ["a", "b"], "confusion": [[1, 0], [0, 1]],
        });
        assert_close(&got, &want, "report");
        assert_eq!(got["per_class"][1]["class"], "b");
        assert!(
            text.starts_with(r#"{"loss":0.5,"accuracy":1.0,"#),
            "fields keep their order: {text}"
        );
        assert!(got.get("loss_nonfinite").is_none());
    }

    #[test]
    fn a_language_model_has_a_perplexity_and_no_classes() {
        let report = EvalReport::of_tokens(2.0, 0.25, 64);
        let got = serde_json::to_string(&report).expect("serialises");
        let want = format!(
            r#"{{"loss":2.0,"accuracy":0.25,"perplexity":{},"examples":64}}"#,
            2.0_f64.exp()
        );
        assert_eq!(got, want);
    }

    #[test]
    fn a_loss_that_is_not_finite_is_spelt_out() {
        let mut e =
            Evaluation::new(&["a".into(), "b".into()], EvalConfig::default()).expect("classes");
        e.update(&[1.0, 0.0], &[0], f64::INFINITY).expect("valid");
        let got = serde_json::to_value(e.report().expect("examples")).expect("serialises");
        assert_eq!(
            (&got["loss"], &got["loss_nonfinite"]),
            (&Value::Null, &json!("inf"))
        );
        assert_eq!(got["roc_auc"], Value::Null);
    }
}
