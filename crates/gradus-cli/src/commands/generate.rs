//! `gradus generate`: continues texts, on the terminal as the tokens come, or as one JSON line each.

mod answer;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};
use gradus_autograd::autocast;
use gradus_linalg::threads;
use gradus_models::{
    CausalLm, Finish, GenerateConfig, Head, Pretrained, generate, open_pretrained_with,
    open_with_adapter,
};
use gradus_text::{Message, Tokenizer};
use serde::Serialize;

use crate::args::GenerateArgs;
use crate::exit::{Ending, usage};
use crate::text_folder::{TextFolder, lines};
use crate::{logging, output};

use answer::Answer;

#[derive(Serialize)]
struct Line<'a> {
    prompt: &'a str,
    text: String,
    token_ids: Vec<u32>,
    finish_reason: &'static str,
    tokens_per_second: f64,
}

pub(super) fn run(args: &GenerateArgs) -> Result<Ending> {
    logging::start(false);
    threads::set_threads(args.threads);
    let folder = TextFolder::open(&args.folder)?;
    require_causal(&folder)?;
    let prompts = prompts(args)?;
    threads::install(|| {
        let found = open(args, &folder)?;
        let model = causal(&found, &folder)?;
        folder.require_fit(model.vocab_size())?;
        let ids = encode_all(args, &folder.tokenizer, &prompts, model.max_positions())?;
        if args.choice.temperature == 0.0
            && (args.choice.top_k.is_some() || args.choice.top_p < 1.0 || args.choice.min_p > 0.0)
        {
            output::note("note: at --temperature 0 the likeliest token is taken, whatever is cut");
        }
        let config = config(args, &folder)?;
        let work = Work {
            args,
            model,
            tokenizer: &folder.tokenizer,
            prompts: &prompts,
            ids: &ids,
            config: &config,
        };
        autocast(args.dtype.precision(), || work.all())?;
        Ok(Ending::Done)
    })
}

/// Refuses a folder whose configuration names another head, before its weights are read.
fn require_causal(folder: &TextFolder) -> Result<()> {
    let head = Head::of(&folder.config)?;
    match head {
        Head::CausalLm | Head::None => Ok(()),
        _ => Err(usage(format_args!(
            "{}: the model's head is {:?}, and texts are continued by a {:?}",
            folder.path.display(),
            head.name(),
            Head::CausalLm.name()
        ))),
    }
}

/// The texts to continue: those of the command line, then those of the file.
fn prompts(args: &GenerateArgs) -> Result<Vec<String>> {
    let mut prompts = args.prompt.clone();
    if let Some(file) = &args.file {
        for line in lines(file)? {
            let line = line?;
            if !line.trim().is_empty() {
                prompts.push(line);
            }
        }
        if prompts.is_empty() {
            return Err(usage(format_args!("{}: has no text", file.display())));
        }
    }
    Ok(prompts)
}

fn open(args: &GenerateArgs, folder: &TextFolder) -> Result<Pretrained> {
    let options = args.dtype.open();
    let opened = match &args.adapter {
        None => open_pretrained_with(&folder.path, Head::CausalLm, &options),
        Some(adapter) => open_with_adapter(&folder.path, adapter, Head::CausalLm, &options),
    };
    opened.with_context(|| folder.path.display().to_string())
}

/// The model as one that continues texts, if the folder has the weights for it.
fn causal<'a>(found: &'a Pretrained, folder: &TextFolder) -> Result<&'a dyn CausalLm> {
    let name = folder.path.display();
    if let [first, ..] = &found.fresh[..] {
        bail!("{name}: the weights lack the head of a language model ({first})");
    }
    found
        .model
        .as_causal()
        .with_context(|| format!("{name}: the model does not continue texts"))
}

/// The tokens of each prompt, which must leave a place for one more.
fn encode_all(
    args: &GenerateArgs,
    tokenizer: &Tokenizer,
    prompts: &[String],
    positions: Option<usize>,
) -> Result<Vec<Vec<u32>>> {
    let encode = |(at, prompt): (usize, &String)| -> Result<Vec<u32>> {
        let at = at + 1;
        let encoding = if args.chat {
            let asked = [Message::new("user", prompt.as_str())];
            let text = tokenizer.apply_chat_template(&asked, true)?;
            tokenizer.encode(&text, false)
        } else {
            tokenizer.encode(prompt, true)
        };
        let ids = encoding.with_context(|| format!("prompt {at}"))?.ids;
        if ids.is_empty() {
            return Err(usage(format_args!(
                "prompt {at}: is empty, and the tokenizer begins a text with no token of its own"
            )));
        }
        if let Some(most) = positions.filter(|&most| ids.len() >= most) {
            return Err(usage(format_args!(
                "prompt {at}: has {} tokens, and the model {most} positions for it and what is new; shorten it",
                ids.len()
            )));
        }
        Ok(ids)
    };
    prompts.iter().enumerate().map(encode).collect()
}

fn config(args: &GenerateArgs, folder: &TextFolder) -> Result<GenerateConfig> {
    let choice = &args.choice;
    Ok(GenerateConfig {
        max_tokens: choice.max_tokens,
        temperature: choice.temperature,
        top_k: choice.top_k,
        top_p: choice.top_p,
        min_p: choice.min_p,
        repetition_penalty: choice.repetition_penalty,
        seed: choice.seed,
        stop: folder.end_tokens()?,
        use_cache: !args.no_cache,
    })
}

/// What is done for all prompts.
struct Work<'a> {
    args: &'a GenerateArgs,
    model: &'a dyn CausalLm,
    tokenizer: &'a Tokenizer,
    prompts: &'a [String],
    ids: &'a [Vec<u32>],
    config: &'a GenerateConfig,
}

impl<'a> Work<'a> {
    /// Continues all prompts, and prints them in their order.
    fn all(&self) -> Result<()> {
        if self.prompts.len() == 1 && !self.args.json {
            return self.stream();
        }
        let mut done = Vec::new();
        done.resize_with(self.prompts.len(), || None);
        let mut printed = 0;
        for batch in batches(self.ids, self.args.batch_size) {
            let mut nothing = |_: &str| Ok(());
            for (line, at) in self.batch(&batch, &mut nothing)?.into_iter().zip(batch) {
                done[at] = Some(line);
            }
            while let Some(line) = done.get_mut(printed).and_then(Option::take) {
                printed += 1;
                self.print(printed, &line)?;
            }
        }
        Ok(())
    }

    fn print(&self, number: usize, line: &Line<'_>) -> Result<()> {
        if self.args.json {
            return output::json(line);
        }
        let before = if number == 1 { "" } else { "\n" };
        output::line(format_args!("{before}==> {} <==", line.prompt))?;
        output::line(&line.text)
    }

    /// Continues the only prompt, and prints its text as it comes.
    fn stream(&self) -> Result<()> {
        let lines = self.batch(&[0], &mut |piece| output::text_of(piece))?;
        output::line("")?;
        for line in lines {
            output::note(format_args!(
                "{} tokens, {:.1} a second, ended by {}",
                line.token_ids.len(),
                line.tokens_per_second,
                line.finish_reason
            ));
        }
        Ok(())
    }

    /// Continues some prompts together; `show` gets the text as it comes.
    fn batch(
        &self,
        batch: &[usize],
        show: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Vec<Line<'a>>> {
        let ids: Vec<Vec<u32>> = batch.iter().map(|&at| self.ids[at].clone()).collect();
        let stop = &self.args.choice.stop;
        let began = Instant::now();
        let mut answers: Vec<Answer<'_>> = ids
            .iter()
            .map(|prompt| Answer::new(self.tokenizer, prompt, stop))
            .collect();
        let mut failed: Option<Error> = None;
        let mut on_token = |at: usize, id: u32| {
            let answer = &mut answers[at];
            let shown = show(answer.push(id));
            answer.seconds = began.elapsed().as_secs_f64();
            failed = failed.take().or(shown.err());
            failed.is_none() && !answer.stopped()
        };
        let made = generate(self.model, &ids, self.config, &mut on_token)?;
        let mut lines = Vec::with_capacity(batch.len());
        for ((mut answer, made), &at) in answers.into_iter().zip(made).zip(batch) {
            if failed.is_none() {
                failed = show(answer.finish()).err();
            }
            let stopped = answer.stopped() || made.finish == Finish::Cancelled;
            let finish = if stopped { Finish::Stop } else { made.finish };
            lines.push(Line {
                prompt: &self.prompts[at],
                tokens_per_second: made.tokens.len() as f64 / answer.seconds.max(1e-9),
                token_ids: made.tokens,
                finish_reason: finish.name(),
                text: answer.text,
            });
        }
        failed.map_or(Ok(lines), Err)
    }
}

/// The places of the prompts, about `size` a batch. Equal prompts stay together: what is drawn for one depends on how many are before it.
fn batches(prompts: &[Vec<u32>], size: usize) -> Vec<Vec<usize>> {
    let mut group_of: BTreeMap<&[u32], usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, prompt) in prompts.iter().enumerate() {
        let group = *group_of.entry(prompt).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for group in groups {
        match batches.last_mut() {
            Some(batch) if batch.len() + group.len() <= size => batch.extend(group),
            _ => batches.push(group),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_prompts_go_together_and_all_prompts_go() {
        let prompts = [1, 2, 1, 3, 4, 1].map(|id| vec![id]);
        assert_eq!(
            batches(&prompts, 2),
            [vec![0, 2, 5], vec![1, 3], vec![4]].map(|batch| batch.to_vec())
        );
        assert_eq!(batches(&prompts, 9).concat(), [0, 2, 5, 1, 3, 4]);
        assert!(batches(&[], 3).is_empty());
    }
}
