//! Samples of tokens: windows, masked tokens, buckets, and batches of them.

use std::sync::Arc;

use gradus_data::{
    Collate, Dataset, IGNORED, LengthBuckets, Loader, LoaderConfig, MaskConfig, MaskedTokens,
    MemoryTokens, Sampler, TokenWindows, TokenizedTexts, split_tokens,
};
use gradus_random::Rng;
use proptest::prelude::*;

fn counting(len: u32) -> Arc<MemoryTokens> {
    Arc::new(MemoryTokens((0..len).collect()))
}

#[test]
fn random_windows_reach_every_place_and_only_these() {
    let windows = TokenWindows::random(counting(12), 4, 4000, 7).unwrap();
    let mut counts = [0_usize; 8];
    for index in 0..windows.len() {
        let sample = windows.get(index, 0).unwrap();
        let (x, y) = (
            sample.x.to_vec::<i64>().unwrap(),
            sample.label.to_vec::<i64>().unwrap(),
        );
        counts[usize::try_from(x[0]).unwrap()] += 1;
        assert_eq!((x[3], y[0], y[3]), (x[0] + 3, x[0] + 1, x[0] + 4));
    }
    // Four standard errors of a share of 1/8 of 4,000 draws are 84.
    assert!(
        counts.iter().all(|count| count.abs_diff(500) < 90),
        "{counts:?}"
    );
    let first = |seed, epoch, index| {
        let windows = TokenWindows::random(counting(1000), 4, 50, seed).unwrap();
        windows
            .get(index, epoch)
            .unwrap()
            .x
            .to_vec::<i64>()
            .unwrap()[0]
    };
    let all = |seed, epoch| {
        (0..50)
            .map(|index| first(seed, epoch, index))
            .collect::<Vec<_>>()
    };
    assert_eq!(all(1, 1), all(1, 1));
    assert_ne!(all(1, 1), all(1, 2));
    assert_ne!(all(1, 1), all(2, 1));
}

#[test]
fn sequential_windows_have_each_token_as_target_once() {
    for (len, block) in [(13, 4), (12, 4), (2, 1), (9, 8)] {
        let windows = TokenWindows::sequential(counting(len), block).unwrap();
        let targets: Vec<i64> = (0..windows.len())
            .flat_map(|index| {
                windows
                    .get(index, 0)
                    .unwrap()
                    .label
                    .to_vec::<i64>()
                    .unwrap()
            })
            .collect();
        let whole = (i64::from(len) - 1) / block as i64 * block as i64;
        assert_eq!(targets, (1..=whole).collect::<Vec<_>>());
        assert!(windows.get(windows.len(), 0).is_err());
    }
    for block in [0, 5, 6] {
        assert!(TokenWindows::sequential(counting(5), block).is_err());
    }
}

#[test]
fn sequences_are_divided_by_position() {
    let (train, val) = split_tokens(counting(1_115_394), 0.1).unwrap();
    use gradus_data::TokenSource;
    // nanoGPT's counts for tiny Shakespeare.
    assert_eq!((train.len(), val.len()), (1_003_854, 111_540));
    let mut first = [0];
    val.read(0, &mut first).unwrap();
    assert_eq!(first, [1_003_854]);
    assert!(val.read(111_540, &mut first).is_err());
    for fraction in [-0.1, 1.0, f64::NAN] {
        assert!(split_tokens(counting(9), fraction).is_err());
    }
}

/// Texts of 5 to 60 tokens below 1000, between 1 and 2.
fn texts(count: u64) -> TokenizedTexts {
    let text = |i| {
        let mut rng = Rng::new(3, 4, i);
        let len = 5 + rng.below(56);
        let ids = (0..len).map(|_| u32::try_from(10 + rng.below(990)).unwrap());
        [1].into_iter().chain(ids).chain([2]).collect()
    };
    TokenizedTexts::unlabelled((0..count).map(text).collect()).unwrap()
}

#[test]
fn shares_of_masked_tokens_are_those_asked_for() {
    let plain = texts(3000);
    let config = MaskConfig::new(4, 1000, vec![0, 1, 2]);
    let masked = MaskedTokens::new(Arc::new(plain.clone()), config).unwrap();
    let (mut tokens, mut guessed, mut hidden, mut replaced) = (0.0, 0.0, 0.0, 0.0);
    for index in 0..plain.len() {
        let true_ids = plain.get(index, 0).unwrap().x.to_vec::<i64>().unwrap();
        let sample = masked.get(index, 5).unwrap();
        let (x, label) = (
            sample.x.to_vec::<i64>().unwrap(),
            sample.label.to_vec::<i64>().unwrap(),
        );
        assert!(label.iter().any(|&target| target != IGNORED));
        for ((&x, &label), &id) in x.iter().zip(&label).zip(&true_ids) {
            if label == IGNORED {
                assert_eq!(x, id, "what is not guessed is not touched");
            } else {
                assert_eq!(label, id);
                assert!(id > 9, "special tokens are left alone");
                guessed += 1.0;
                hidden += f64::from(x == 4);
                replaced += f64::from(x != 4 && x != id);
            }
            tokens += f64::from(id > 9);
        }
    }
    // Of about 97,000 tokens and 14,600 guesses; texts where nothing fell to be guessed add a little.
    let near = |value: f64, expected: f64| (value - expected).abs() < 0.015;
    assert!(near(guessed / tokens, 0.155), "{}", guessed / tokens);
    assert!(near(hidden / guessed, 0.8) && near(replaced / guessed, 0.1));
}

#[test]
fn masks_differ_by_seed_epoch_and_sample() {
    let draw = |seed, epoch, index| {
        let text: Vec<u32> = (10..110).collect();
        let plain = TokenizedTexts::unlabelled(vec![text.clone(), text]).unwrap();
        let config = MaskConfig {
            seed,
            ..MaskConfig::new(4, 1000, vec![])
        };
        let masked = MaskedTokens::new(Arc::new(plain), config).unwrap();
        masked
            .get(index, epoch)
            .unwrap()
            .label
            .to_vec::<i64>()
            .unwrap()
    };
    assert_eq!(draw(1, 2, 0), draw(1, 2, 0));
    assert_ne!(draw(1, 2, 0), draw(2, 2, 0));
    assert_ne!(draw(1, 2, 0), draw(1, 3, 0));
    assert_ne!(draw(1, 2, 0), draw(1, 2, 1));
}

#[test]
fn masks_that_make_no_sense_are_refused() {
    let make = |change: fn(&mut MaskConfig)| {
        let mut config = MaskConfig::new(4, 1000, vec![]);
        change(&mut config);
        MaskedTokens::new(Arc::new(texts(1)), config)
    };
    assert!(make(|_| ()).is_ok());
    let cases: [fn(&mut MaskConfig); 4] = [
        |c| c.share = 1.5,
        |c| c.masked = f64::NAN,
        |c| c.replaced = 0.5,
        |c| c.mask_id = 1000,
    ];
    for change in cases {
        assert!(make(change).is_err());
    }
    let only_special = TokenizedTexts::unlabelled(vec![vec![1, 2]]).unwrap();
    let config = MaskConfig::new(4, 1000, vec![1, 2]);
    let masked = MaskedTokens::new(Arc::new(only_special), config).unwrap();
    let label = masked.get(0, 0).unwrap().label.to_vec::<i64>().unwrap();
    assert_eq!(label, [IGNORED; 2]);
}

/// The share of a batch's tokens that is padding, for batches of `size` in this order.
fn padding(order: &[usize], lengths: &[usize], size: usize) -> f64 {
    let (mut own, mut all) = (0, 0);
    for batch in order.chunks(size) {
        let longest = batch.iter().map(|&i| lengths[i]).max().unwrap_or(0);
        own += batch.iter().map(|&i| lengths[i]).sum::<usize>();
        all += longest * batch.len();
    }
    1.0 - own as f64 / all as f64
}

#[test]
fn buckets_leave_little_padding() {
    let mut rng = Rng::new(1, 2, 3);
    let lengths: Vec<usize> = (0..4000)
        .map(|_| 3 + usize::try_from(rng.below(126)).unwrap())
        .collect();
    let buckets = LengthBuckets::new(lengths.clone(), 16, 42).unwrap();
    let plain: Vec<usize> = (0..4000).collect();
    let (without, with) = (
        padding(&plain, &lengths, 16),
        padding(&buckets.indices(0), &lengths, 16),
    );
    assert!(without > 0.4 && with < 0.03, "{without} {with}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn buckets_are_permutations_by_seed_and_epoch(
        lengths in proptest::collection::vec(1_usize..50, 0..300), batch in 1_usize..9, epoch in 0_u64..4,
    ) {
        let buckets = LengthBuckets::new(lengths.clone(), batch, 5).unwrap();
        let order = buckets.indices(epoch);
        prop_assert_eq!(&order, &buckets.indices(epoch));
        if lengths.len() > 40 {
            prop_assert_ne!(&order, &buckets.indices(epoch + 1));
        }
        let mut sorted = order;
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..lengths.len()).collect::<Vec<_>>());
    }

    #[test]
    fn padded_batches_are_the_same_for_any_workers(batch_size in 1_usize..7, multiple_of in 1_usize..9, epoch in 0_u64..3) {
        let plain = texts(40);
        let buckets = LengthBuckets::new(plain.lengths(), batch_size, 1).unwrap();
        let masked = MaskedTokens::new(Arc::new(plain.clone()), MaskConfig::new(4, 1000, vec![1, 2])).unwrap();
        let masked: Arc<dyn Dataset> = Arc::new(masked);
        let pad = Collate::Pad { value: 0, label: IGNORED, multiple_of };
        let run = |workers| {
            let config = LoaderConfig { batch_size, workers, ..Default::default() };
            let loader = Loader::with_sampler(Arc::clone(&masked), Arc::new(buckets.clone()), config).unwrap();
            let loader = loader.with_collate(pad).unwrap();
            let batches = loader.epoch(epoch).map(|batch| batch.unwrap());
            batches.map(|b| (b.x.to_le_bytes().unwrap(), b.labels.to_le_bytes().unwrap(), b.lengths.unwrap().to_vec::<i64>().unwrap(), b.x.dims().to_vec()))
                .collect::<Vec<_>>()
        };
        let expected = run(0);
        let lengths: i64 = expected.iter().flat_map(|batch| &batch.2).sum();
        prop_assert_eq!(lengths, plain.lengths().iter().sum::<usize>() as i64);
        prop_assert!(expected.iter().all(|batch| batch.3[1].is_multiple_of(multiple_of)));
        prop_assert_eq!(run(3), expected);
    }
}
