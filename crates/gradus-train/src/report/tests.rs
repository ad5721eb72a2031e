//! Tests of the whole page.

use super::{ReportData, Sample, Summary, encode_png, render};
use crate::metrics::{EvalConfig, Evaluation};

const NASTY: &str = "<script>alert('x')</script>\"&";

fn sample_data() -> ReportData {
    let classes: Vec<String> = ["coat", NASTY, "shirt"].map(String::from).to_vec();
    let mut evaluation = Evaluation::new(&classes, EvalConfig::default()).expect("classes");
    evaluation
        .update(
            &[2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            &[0, 1, 2, 2],
            0.4321,
        )
        .expect("valid");
    let pixels: Vec<u8> = (0..28 * 28).map(|i| (i % 251) as u8).collect();
    let png = encode_png(28, 28, 1, &pixels).expect("pixels");
    ReportData {
        title: NASTY.into(),
        subtitle: NASTY.into(),
        notes: vec![NASTY.into()],
        summary: Summary {
            parameters: Some(61_706),
            steps: Some(625),
            epochs: Some(8),
            seconds: Some(41.27),
            examples_per_second: Some(5231.4),
        },
        split: NASTY.into(),
        eval: Some(evaluation.report().expect("examples")),
        train_loss: (1..=300)
            .map(|i| (i, 2.3 / (1.0 + i as f64 / 40.0)))
            .collect(),
        eval_loss: vec![(100, 0.9), (300, 0.4321)],
        train_accuracy: (1..=300)
            .map(|i| (i, 1.0 - 1.0 / (1.0 + i as f64 / 40.0)))
            .collect(),
        eval_accuracy: vec![(100, 0.6), (300, 0.75)],
        learning_rate: (1..=300).map(|i| (i, 0.001 * i as f64 / 300.0)).collect(),
        examples_per_second: Vec::new(),
        samples: vec![
            Sample {
                png: png.clone(),
                truth: "coat".into(),
                predicted: "coat".into(),
                probability: 0.91,
            },
            Sample {
                png,
                truth: NASTY.into(),
                predicted: "shirt".into(),
                probability: f64::NAN,
            },
        ],
        environment: vec![
            (NASTY.into(), NASTY.into()),
            ("weights_sha256".into(), "ab12".into()),
        ],
        command: NASTY.into(),
        config: format!("name = \"{NASTY}\"\n"),
    }
}

#[test]
fn all_text_is_escaped() {
    let page = render(&sample_data());
    assert!(!page.contains("<script>alert"), "raw text got in");
    assert!(
        page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;")
            .count()
            >= 10
    );
    // Three charts' data and the page's script; nothing else opens or closes one.
    assert_eq!(
        (
            page.matches("<script").count(),
            page.matches("</script").count()
        ),
        (4, 4)
    );
}

#[test]
fn nothing_is_fetched() {
    let page = render(&sample_data());
    for word in [
        "http:",
        "https:",
        "//cdn",
        "url(",
        "@import",
        "<link",
        "<iframe",
        "srcset",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    for source in page.split("src=\"").skip(1) {
        assert!(
            source.starts_with("data:image/png;base64,"),
            "{}",
            &source[..40]
        );
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_numbers_are_there() {
    let page = render(&sample_data());
    // 3 of 4 right; per class: coat 1/2 precision, shirt 1/2 recall
    for want in [
        "75.00\u{202f}%",
        "3 of 4",
        "0.4321",
        "61,706",
        "625",
        "8 epochs",
        "41.3\u{202f}s",
        "5,231",
        "66.03\u{202f}ms",
        "ab12",
        "66.7\u{202f}%",
    ] {
        assert!(page.contains(want), "{want}");
    }
    assert!(
        page.contains("<b>shirt</b> taken for <b>coat</b>"),
        "the worst confusion"
    );
    assert_eq!(
        (
            page.matches("class=\"sample right\"").count(),
            page.matches("class=\"sample wrong\"").count()
        ),
        (1, 1)
    );
}

#[test]
fn the_same_data_gives_the_same_page() {
    assert_eq!(render(&sample_data()), render(&sample_data()));
}

#[test]
fn nothing_known_is_still_a_page() {
    let page = render(&ReportData::default());
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for absent in ["<figure", "<table", "<details", "NaN", "class=\"cards\""] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn a_run_that_diverged_is_shown_as_such() {
    let mut data = sample_data();
    data.train_loss
        .iter_mut()
        .skip(100)
        .for_each(|p| p.1 = f64::NAN);
    data.eval_loss = vec![(300, f64::INFINITY)];
    if let Some(eval) = &mut data.eval {
        (eval.loss, eval.invalid) = (f64::NAN, 4);
    }
    data.summary = Summary {
        seconds: Some(f64::NAN),
        examples_per_second: Some(f64::INFINITY),
        ..data.summary
    };
    let page = render(&data);
    assert!(
        page.contains(">NaN<") && page.contains("201 not finite, first at step 101"),
        "{page}"
    );
    assert!(page.contains("logits held a NaN: 4."));
}

#[test]
fn many_classes_become_a_picture() {
    for (classes, table, picture) in [
        (26usize, true, false),
        (27, false, true),
        (1025, false, false),
    ] {
        let names: Vec<String> = (0..classes).map(|c| format!("class {c}")).collect();
        let mut evaluation = Evaluation::new(
            &names,
            EvalConfig {
                roc_auc_limit: 0,
                ..EvalConfig::default()
            },
        )
        .expect("classes");
        let mut logits = vec![0.0; classes];
        logits[1] = 1.0;
        evaluation.update(&logits, &[0], 1.0).expect("valid");
        let page = render(&ReportData {
            eval: Some(evaluation.report().expect("examples")),
            ..ReportData::default()
        });
        assert_eq!(
            (
                page.contains("class=\"matrix\""),
                page.contains("class=\"heat\"")
            ),
            (table, picture),
            "{classes}"
        );
        assert!(page.contains("<b>class 0</b> taken for <b>class 1</b>"));
    }
}

#[test]
fn a_matrix_that_does_not_fit_is_left_out() {
    let mut data = sample_data();
    if let Some(eval) = &mut data.eval {
        eval.confusion.pop();
    }
    assert!(!render(&data).contains("class=\"matrix\""));
}

#[test]
fn elements_close() {
    let page = render(&sample_data());
    for tag in [
        "div",
        "section",
        "figure",
        "table",
        "tr",
        "td",
        "span",
        "svg",
        "ul",
        "ol",
        "details",
        "pre",
        "figcaption",
    ] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}
