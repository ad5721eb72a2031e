//! Each file of `examples/` is a module here, so that one binary runs them all.

#[path = "../../examples/char_gpt.rs"]
mod char_gpt;
#[expect(dead_code, reason = "its main reads the command line")]
#[path = "../../examples/embed.rs"]
mod embed;
#[path = "../../examples/image_classifier.rs"]
mod image_classifier;
#[path = "../../examples/masked_lm.rs"]
mod masked_lm;
#[path = "../../examples/text_classifier.rs"]
mod text_classifier;
#[path = "../../examples/token_classifier.rs"]
mod token_classifier;

#[test]
fn a_gpt_says_the_sentence_that_it_learned() {
    char_gpt::main().unwrap();
}

#[test]
fn texts_that_share_words_are_near() {
    embed::near(None).unwrap();
}

#[test]
fn clothes_are_told_apart() {
    image_classifier::main().unwrap();
}

#[test]
fn gaps_are_filled() {
    masked_lm::main().unwrap();
}

#[test]
fn texts_are_told_apart() {
    text_classifier::main().unwrap();
}

#[test]
fn names_are_told_apart_by_the_words_around() {
    token_classifier::main().unwrap();
}

#[test]
fn every_example_runs_here_and_is_short() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            include_str!("examples.rs").contains(&format!("mod {name};")),
            "{name} is not run"
        );
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 60, "{name} has {lines} lines");
    }
}
