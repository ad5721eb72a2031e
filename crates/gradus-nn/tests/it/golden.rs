//! Attention, transformers and recurrent networks against PyTorch's: outputs and all gradients, from its own parameters by its own names.

use std::collections::BTreeMap;

use gradus_nn::{
    AttentionMasks, Ctx, DType, Gru, Lstm, LstmCell, MultiheadAttention, MultiheadAttentionConfig,
    Nonlinearity, ParamStore, RecurrentConfig, Result, Rnn, Scope, SequenceMasks, Tensor,
    Transformer, TransformerActivation, TransformerConfig, TransformerDecoderLayer,
    TransformerEncoderLayer, Var,
};

type Named = BTreeMap<String, Var>;

/// The tensors of one kind of a case, by name.
fn golden(case: &str, kind: &str) -> Vec<(String, Tensor)> {
    let start = format!("{case}.{kind}.");
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix(&start)?.split_once('|')?;
        let (dims, values) = rest.split_once('|')?;
        let dims: Vec<usize> = dims.split(',').map(|d| d.parse().unwrap()).collect();
        let values: Vec<f64> = values.split(' ').map(|v| v.parse().unwrap()).collect();
        Some((name.to_owned(), Tensor::from_slice(&values, dims).unwrap()))
    };
    let all = include_str!("../golden/layers.txt").lines();
    all.filter_map(line).collect()
}

fn close(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (got.to_vec::<f64>().unwrap(), want.to_vec::<f64>().unwrap());
    for (g, w) in got.iter().zip(&want) {
        assert!(
            (g - w).abs() <= 1e-11 * (1.0 + w.abs()),
            "{what}: {g}, PyTorch {w}"
        );
    }
}

/// Builds the layer, gives it PyTorch's parameters, and compares everything.
#[track_caller]
fn check<L>(
    case: &str,
    build: impl FnOnce(&Scope) -> Result<L>,
    run: impl FnOnce(&L, &Named) -> Result<Vec<(&'static str, Var)>>,
) {
    let store = ParamStore::with_dtype(1, DType::F64);
    let layer = build(&store.root()).unwrap();
    let params = golden(case, "param");
    let names = |state: &[(String, Tensor)]| {
        state
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&store.state_dict()),
        names(&params),
        "{case}: PyTorch's names in its order"
    );
    store.load_state_dict(&params).unwrap();
    let inputs: Named = golden(case, "in")
        .into_iter()
        .map(|(name, x)| (name, Var::leaf(x)))
        .collect();
    let outputs = run(&layer, &inputs).unwrap();
    let wanted: BTreeMap<_, _> = golden(case, "out").into_iter().collect();
    assert_eq!(outputs.len(), wanted.len());
    let mut loss: Option<Var> = None;
    for (name, y) in &outputs {
        close(&format!("{case}: {name}"), y.tensor(), &wanted[*name]);
        let wave: Vec<f64> = (1..=y.numel()).map(|i| (i as f64).sin()).collect();
        let wave = Var::constant(Tensor::from_slice(&wave, y.shape()).unwrap());
        let sum = y.mul(&wave).unwrap().sum(&[], false).unwrap();
        loss = Some(loss.map_or(sum.clone(), |l| l.add(&sum).unwrap()));
    }
    let grads = loss.unwrap().backward().unwrap();
    for (name, want) in golden(case, "grad") {
        let parameter = store
            .parameters()
            .into_iter()
            .find(|p| p.name() == name)
            .unwrap();
        close(
            &format!("{case}: gradient of {name}"),
            grads.get(&parameter).unwrap(),
            &want,
        );
    }
    for (name, want) in golden(case, "gin") {
        close(
            &format!("{case}: gradient of {name}"),
            grads.get_var(&inputs[&name]).unwrap(),
            &want,
        );
    }
}

fn bools(values: &[u8], dims: &[usize]) -> Var {
    let values: Vec<bool> = values.iter().map(|&v| v == 1).collect();
    Var::constant(Tensor::from_slice(&values, dims).unwrap())
}

fn padding() -> Var {
    bools(&[0, 0, 1, 0, 0, 0], &[2, 3])
}

fn causal() -> Var {
    bools(&[0, 1, 1, 0, 0, 1, 0, 0, 0], &[3, 3])
}

#[test]
fn multihead_attention() {
    let config = MultiheadAttentionConfig {
        kdim: Some(3),
        vdim: Some(5),
        add_bias_kv: true,
        add_zero_attn: true,
        ..Default::default()
    };
    check(
        "cross",
        |s| MultiheadAttention::new(s, 4, 2, &config),
        |layer, x| {
            let padding = padding();
            let masks = AttentionMasks {
                key_padding_mask: Some(&padding),
                ..Default::default()
            };
            let (y, weights) = layer.forward(
                &x["query"],
                &x["key"],
                &x["value"],
                &masks,
                &Ctx::train(1, 1),
            )?;
            Ok(vec![("y", y), ("weights", weights.unwrap())])
        },
    );
    let config = MultiheadAttentionConfig {
        batch_first: true,
        ..Default::default()
    };
    check(
        "own",
        |s| MultiheadAttention::new(s, 4, 2, &config),
        |layer, x| {
            let added: Vec<f64> = (0..9).map(|i| f64::from(i).sin()).collect();
            let added = Var::constant(Tensor::from_slice(&added, [3, 3])?);
            let masks = AttentionMasks {
                attn_mask: Some(&added),
                need_weights: false,
                ..Default::default()
            };
            let x = &x["x"];
            Ok(vec![(
                "y",
                layer.forward(x, x, x, &masks, &Ctx::train(1, 1))?.0,
            )])
        },
    );
}

#[test]
fn transformer_layers() {
    let plain = TransformerConfig {
        dim_feedforward: 6,
        dropout: 0.0,
        ..Default::default()
    };
    let (mask, hidden) = (causal(), padding());
    let causal = SequenceMasks {
        mask: Some(&mask),
        ..Default::default()
    };
    for (case, norm_first) in [("encoder0", false), ("encoder1", true)] {
        let activation = TransformerActivation::Gelu;
        let config = TransformerConfig {
            batch_first: true,
            activation,
            norm_first,
            ..plain
        };
        check(
            case,
            |s| TransformerEncoderLayer::new(s, 4, 2, &config),
            |layer, x| {
                let both = SequenceMasks {
                    key_padding_mask: Some(&hidden),
                    ..causal
                };
                Ok(vec![(
                    "y",
                    layer.forward(&x["x"], &both, &Ctx::train(1, 1))?,
                )])
            },
        );
    }
    check(
        "decoder",
        |s| TransformerDecoderLayer::new(s, 4, 2, &plain),
        |layer, x| {
            let of_memory = SequenceMasks {
                key_padding_mask: Some(&hidden),
                ..Default::default()
            };
            let y = layer.forward(
                &x["x"],
                &x["memory"],
                &causal,
                &of_memory,
                &Ctx::train(1, 1),
            )?;
            Ok(vec![("y", y)])
        },
    );
    check(
        "transformer",
        |s| Transformer::new(s, 4, 2, [1, 2], &plain),
        |net, x| {
            let none = SequenceMasks::default();
            // The flag stands for the mask.
            let causal = SequenceMasks {
                is_causal: true,
                ..none
            };
            Ok(vec![(
                "y",
                net.forward(
                    &x["source"],
                    &x["target"],
                    [&none, &causal, &none],
                    &Ctx::train(1, 1),
                )?,
            )])
        },
    );
}

#[test]
fn recurrent_networks_over_packed_sequences() {
    let deep = RecurrentConfig {
        num_layers: 2,
        bidirectional: true,
        ..Default::default()
    };
    let lengths = Tensor::from_slice(&[2_i64, 4], [2]).unwrap();
    let (lengths, ctx) = (Some(&lengths), Ctx::train(1, 1));
    let projected = RecurrentConfig {
        proj_size: 2,
        ..deep
    };
    check(
        "lstm",
        |s| Lstm::new(s, 3, 4, &projected),
        |net, x| {
            let (y, [h, c]) = net.forward(&x["x"], Some([&x["h"], &x["c"]]), lengths, &ctx)?;
            Ok(vec![("y", y), ("h", h), ("c", c)])
        },
    );
    check(
        "gru",
        |s| Gru::new(s, 3, 2, &deep),
        |net, x| {
            let (y, h) = net.forward(&x["x"], Some(&x["h"]), lengths, &ctx)?;
            Ok(vec![("y", y), ("h", h)])
        },
    );
    let bare = RecurrentConfig {
        num_layers: 2,
        bias: false,
        ..Default::default()
    };
    check(
        "rnn",
        |s| Rnn::new(s, 3, 2, Nonlinearity::Relu, &bare),
        |net, x| {
            let (y, h) = net.forward(&x["x"], Some(&x["h"]), lengths, &ctx)?;
            Ok(vec![("y", y), ("h", h)])
        },
    );
    check(
        "cell",
        |s| LstmCell::new(s, 3, 2, true),
        |cell, x| {
            let (h, c) = cell.forward(&x["x"], Some([&x["h"], &x["c"]]))?;
            Ok(vec![("h", h), ("c", c)])
        },
    );
}
