//! The choice of tokens.

use super::*;

fn config() -> GenerateConfig {
    GenerateConfig {
        temperature: 1.0,
        ..GenerateConfig::default()
    }
}

fn ids(scores: &[f64], config: &GenerateConfig) -> Vec<u32> {
    let kept = kept(&mut scores.to_vec(), config);
    kept.into_iter().map(|(id, _)| id).collect()
}

/// Probabilities as scores.
fn logs(probabilities: &[f64]) -> Vec<f64> {
    probabilities.iter().map(|p| p.ln()).collect()
}

#[test]
fn top_k_keeps_the_highest_and_their_equals() {
    let scores = [1.0, 3.0, 2.0, 2.0, 0.0];
    let top = |k| {
        ids(
            &scores,
            &GenerateConfig {
                top_k: Some(k),
                ..config()
            },
        )
    };
    assert_eq!(top(1), [1]);
    assert_eq!(top(2), [1, 2, 3]);
    assert_eq!(top(4), [0, 1, 2, 3]);
    assert_eq!(top(9), [0, 1, 2, 3, 4]);
}

#[test]
fn top_p_keeps_the_fewest_that_reach_the_share() {
    let scores = logs(&[0.1, 0.5, 0.15, 0.25]);
    let top = |p| {
        ids(
            &scores,
            &GenerateConfig {
                top_p: p,
                ..config()
            },
        )
    };
    assert_eq!(top(0.4), [1]);
    assert_eq!(top(0.6), [1, 3]);
    assert_eq!(top(0.8), [1, 2, 3]);
    assert_eq!(top(1e-9), [1]);
    assert_eq!(top(1.0), [0, 1, 2, 3]);
}

#[test]
fn min_p_is_relative_to_the_likeliest() {
    let scores = logs(&[0.1, 0.5, 0.15, 0.25]);
    let min = |p| {
        ids(
            &scores,
            &GenerateConfig {
                min_p: p,
                ..config()
            },
        )
    };
    assert_eq!(min(0.25), [1, 2, 3]);
    assert_eq!(min(0.45), [1, 3]);
    assert_eq!(min(1.0), [1]);
}

#[test]
fn the_temperature_comes_before_top_p() {
    // at temperature 2 the probabilities come closer, so that more tokens are needed
    let scores = logs(&[0.9, 0.05, 0.05]);
    let top = |temperature| {
        ids(
            &scores,
            &GenerateConfig {
                temperature,
                top_p: 0.8,
                ..config()
            },
        )
    };
    assert_eq!(top(1.0), [0]);
    assert_eq!(top(2.0), [0, 2]);
}

#[test]
fn the_penalty_moves_used_tokens_down_once() {
    let mut scores = [2.0, -2.0, 2.0];
    penalise(&mut scores, &[0, 1, 0, 99], 2.0);
    assert_eq!(scores, [1.0, -4.0, 2.0]);
}

#[test]
fn draws_follow_the_probabilities() {
    let scores = logs(&[0.2, 0.5, 0.3]);
    let mut counts = [0_u32; 3];
    for place in 0..20_000 {
        counts[choose(&scores, &[], 7, place, &config()).unwrap() as usize] += 1;
    }
    for (count, p) in counts.iter().zip([0.2, 0.5, 0.3]) {
        let share = f64::from(*count) / 20_000.0;
        // three standard deviations of the share are 0.011
        assert!((share - p).abs() < 0.012, "{counts:?}");
    }
}

#[test]
fn greedy_takes_the_first_of_the_highest_and_nan_is_an_error() {
    let greedy = GenerateConfig::default();
    assert_eq!(choose(&[0.0, 4.0, 4.0], &[], 1, 0, &greedy).unwrap(), 1);
    let error = choose(&[0.0, f64::NAN], &[], 1, 3, &greedy).unwrap_err();
    assert!(error.to_string().contains("NaN for new token 3"), "{error}");
}

#[test]
fn a_temperature_close_to_0_is_greedy() {
    let cold = GenerateConfig {
        temperature: 1e-308,
        ..config()
    };
    let scores = [1.0, 30.0, 40.0, 2.0];
    assert_eq!(choose(&scores, &[], 1, 0, &cold).unwrap(), 2);
}

#[test]
fn equal_prompts_of_a_batch_have_other_numbers() {
    let streams = |prompts: &[Vec<u32>]| -> Vec<u64> {
        texts(prompts).into_iter().map(|text| text.stream).collect()
    };
    let both = streams(&[vec![1, 2], vec![3], vec![1, 2]]);
    assert_ne!(both[0], both[2]);
    assert_eq!(streams(&[vec![3]]), [both[1]]);
    assert_eq!(streams(&[vec![1, 2]]), [both[0]]);
}
