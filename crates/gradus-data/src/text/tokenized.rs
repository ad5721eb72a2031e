//! Texts that are token ids already, in memory.

use gradus_tensor::Tensor;

use crate::dataset::{Dataset, Sample};
use crate::error::{DataError, Result};

/// The losses ignore a token whose target is this.
pub const IGNORED: i64 = -100;

/// Token ids of texts, with their labels. Samples are i64 (T,), each as long as its text: batch them with [`crate::Collate::Pad`].
///
/// ```
/// use gradus_data::{Dataset, TokenizedTexts};
/// let texts = TokenizedTexts::of_classes(vec![vec![101, 7592, 102], vec![101, 102]], &[1, 0])?;
/// let sample = texts.get(0, 0)?;
/// assert_eq!(sample.x.to_vec::<i64>()?, [101, 7592, 102]);
/// assert_eq!(sample.label.item::<i64>()?, 1);
///
/// // The target of each token is the next one.
/// let texts = TokenizedTexts::next_token(vec![vec![5, 6, 7]])?;
/// let sample = texts.get(0, 0)?;
/// assert_eq!((sample.x.to_vec::<i64>()?, sample.label.to_vec::<i64>()?), (vec![5, 6], vec![6, 7]));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenizedTexts {
    ids: Vec<Vec<u32>>,
    labels: Labels,
    classes: Vec<String>,
}

/// What is known of each text.
#[derive(Clone, Debug)]
enum Labels {
    Nothing,
    Classes(Vec<i64>),
    Tokens(Vec<Vec<i64>>),
    Next,
}

impl TokenizedTexts {
    /// Texts without labels, such as for [`crate::MaskedTokens`]: their label is [`IGNORED`].
    ///
    /// # Errors
    /// [`DataError::Argument`] with the number of a text without tokens.
    pub fn unlabelled(ids: Vec<Vec<u32>>) -> Result<Self> {
        Self::checked(ids, Labels::Nothing, 1)
    }

    /// A class for each text.
    ///
    /// # Errors
    /// [`DataError::Argument`] with the number of a text without tokens; [`gradus_tensor::Error::Length`] unless there is one class a text.
    pub fn of_classes(ids: Vec<Vec<u32>>, classes: &[i64]) -> Result<Self> {
        length("texts' classes", ids.len(), classes.len())?;
        Self::checked(ids, Labels::Classes(classes.to_vec()), 1)
    }

    /// A target for each token; [`IGNORED`] where there is none.
    ///
    /// # Errors
    /// [`DataError::Argument`] with the number of a text without tokens; [`gradus_tensor::Error::Length`] unless there is one target a token.
    pub fn of_tokens(ids: Vec<Vec<u32>>, targets: Vec<Vec<i64>>) -> Result<Self> {
        length("texts' targets", ids.len(), targets.len())?;
        for (ids, targets) in ids.iter().zip(&targets) {
            length("targets of a text", ids.len(), targets.len())?;
        }
        Self::checked(ids, Labels::Tokens(targets), 1)
    }

    /// Each text for a language model: the tokens but the last one, and at each the token that follows.
    ///
    /// # Errors
    /// [`DataError::Argument`] with the number of a text with fewer than two tokens.
    pub fn next_token(ids: Vec<Vec<u32>>) -> Result<Self> {
        Self::checked(ids, Labels::Next, 2)
    }

    fn checked(ids: Vec<Vec<u32>>, labels: Labels, least: usize) -> Result<Self> {
        if let Some((number, short)) = ids.iter().enumerate().find(|(_, ids)| ids.len() < least) {
            return Err(DataError::Argument {
                what: "tokenized texts",
                argument: "each text",
                expected: if least == 1 {
                    "at least 1 token long"
                } else {
                    "at least 2 tokens long"
                },
                got: format!("{} tokens, as text #{number} is", short.len()),
            });
        }
        Ok(Self {
            ids,
            labels,
            classes: vec![],
        })
    }

    /// The same with names for the classes.
    #[must_use]
    pub fn with_classes(mut self, classes: Vec<String>) -> Self {
        self.classes = classes;
        self
    }

    /// The token ids of each text.
    pub fn ids(&self) -> &[Vec<u32>] {
        &self.ids
    }

    /// The length of each sample.
    pub fn lengths(&self) -> Vec<usize> {
        let given_up = usize::from(matches!(self.labels, Labels::Next));
        self.ids.iter().map(|ids| ids.len() - given_up).collect()
    }
}

fn length(op: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(gradus_tensor::Error::Length { op, expected, got }.into())
}

/// Ids as a tensor (T,).
pub(crate) fn tensor_of(ids: &[u32]) -> Result<Tensor> {
    Ok(Tensor::build::<i64>([ids.len()], |out| {
        for (out, &id) in out.iter_mut().zip(ids) {
            *out = i64::from(id);
        }
    })?)
}

impl Dataset for TokenizedTexts {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn get(&self, index: usize, _: u64) -> Result<Sample> {
        let ids = self.ids.get(index).ok_or(DataError::Index {
            what: "tokenized texts",
            index,
            len: self.ids.len(),
        })?;
        let label = match &self.labels {
            Labels::Nothing => Tensor::scalar(IGNORED)?,
            Labels::Classes(classes) => Tensor::scalar(classes[index])?,
            Labels::Tokens(targets) => Tensor::from_slice(&targets[index], [ids.len()])?,
            Labels::Next => {
                let (x, label) = (tensor_of(&ids[..ids.len() - 1])?, tensor_of(&ids[1..])?);
                return Ok(Sample { x, label });
            }
        };
        let x = tensor_of(ids)?;
        Ok(Sample { x, label })
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_must_fit_the_texts() {
        let ids = || vec![vec![1, 2], vec![3]];
        assert!(TokenizedTexts::of_classes(ids(), &[0]).is_err());
        assert!(TokenizedTexts::of_tokens(ids(), vec![vec![0, 1], vec![0, 1]]).is_err());
        let error = TokenizedTexts::next_token(ids()).unwrap_err().to_string();
        assert!(error.ends_with("not 1 tokens, as text #1 is"), "{error}");
        assert!(TokenizedTexts::unlabelled(vec![vec![]]).is_err());
        let index = TokenizedTexts::unlabelled(ids()).unwrap().get(2, 0);
        assert!(matches!(index, Err(DataError::Index { index: 2, .. })));
    }

    #[test]
    fn targets_stand_at_their_tokens() {
        let texts =
            TokenizedTexts::of_tokens(vec![vec![4, 5, 6]], vec![vec![IGNORED, 1, 0]]).unwrap();
        let label = texts.get(0, 0).unwrap().label;
        assert_eq!(label.to_vec::<i64>().unwrap(), [-100, 1, 0]);
        assert_eq!(texts.lengths(), [3]);
        let next = TokenizedTexts::next_token(vec![vec![4, 5, 6]]).unwrap();
        assert_eq!(next.lengths(), [2]);
    }
}
