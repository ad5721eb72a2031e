//! The key numbers at the top of the page.

use super::html::{count, escape, number, percent, seconds};
use super::{ReportData, Summary};
use crate::metrics::EvalReport;

/// One number with its name and a line of small print.
struct Card {
    name: String,
    value: String,
    small: String,
    hero: bool, // the one that the reader came for: larger
}

/// The cards; nothing if no number is known.
pub(super) fn render(data: &ReportData) -> String {
    let split = if data.split.is_empty() {
        "test"
    } else {
        &data.split
    };
    let mut cards = data
        .eval
        .as_ref()
        .map_or_else(Vec::new, |eval| of_eval(split, eval));
    cards.extend(of_summary(&data.summary));
    if cards.is_empty() {
        return String::new();
    }
    format!(
        "<section class=\"cards\">\n{}</section>\n",
        cards.iter().map(html).collect::<String>()
    )
}

fn of_eval(split: &str, eval: &EvalReport) -> Vec<Card> {
    let loss = |small: &str| Card {
        name: format!("{split} loss"),
        value: number(eval.loss),
        small: small.into(),
        hero: false,
    };
    if !eval.has_classes() {
        let perplexity = Card {
            name: format!("{split} perplexity"),
            value: number(eval.perplexity()),
            small: format!("over {} tokens", count(eval.examples)),
            hero: true,
        };
        let accuracy = Card {
            name: "token accuracy".into(),
            value: percent(eval.accuracy, 2),
            small: "right next guesses".into(),
            hero: false,
        };
        return vec![perplexity, loss("nats a token"), accuracy];
    }
    let correct: u64 = eval
        .confusion
        .iter()
        .enumerate()
        .filter_map(|(c, row)| row.get(c))
        .sum();
    let auc = eval
        .roc_auc
        .map_or_else(String::new, |auc| format!("ROC-AUC {auc:.4}"));
    vec![
        Card {
            name: format!("{split} accuracy"),
            value: percent(eval.accuracy, 2),
            small: format!("{} of {}", count(correct), count(eval.examples)),
            hero: true,
        },
        loss("nats an example"),
        Card {
            name: "macro F1".into(),
            value: percent(eval.macro_avg.f1, 2),
            small: auc,
            hero: false,
        },
    ]
}

fn of_summary(s: &Summary) -> impl Iterator<Item = Card> + use<> {
    let epochs = s
        .epochs
        .map(|n| format!("{} epoch{}", count(n), if n == 1 { "" } else { "s" }));
    let rate = |r: f64| {
        if (100.0..1e15).contains(&r) {
            count(r.round() as u64)
        } else {
            number(r)
        }
    };
    let per_step = match (s.seconds, s.steps) {
        (Some(t), Some(n)) if n > 0 && t.is_finite() => {
            format!("{}\u{202f}ms a step", number(t * 1e3 / n as f64))
        }
        _ => String::new(),
    };
    let known = [
        ("parameters", s.parameters.map(count), String::new()),
        ("steps", s.steps.map(count), epochs.unwrap_or_default()),
        ("training time", s.seconds.map(seconds), per_step),
        (
            "examples / s",
            s.examples_per_second.map(rate),
            "in training".into(),
        ),
    ];
    known.into_iter().filter_map(|(name, value, small)| {
        Some(Card {
            name: name.into(),
            value: value?,
            small,
            hero: false,
        })
    })
}

fn html(card: &Card) -> String {
    format!(
        "<div class=\"card key{}\"><span class=\"name\">{}</span><span class=\"value\">{}</span><span class=\"muted\">{}</span></div>\n",
        if card.hero { " hero" } else { "" },
        escape(&card.name),
        escape(&card.value),
        escape(&card.small)
    )
}
