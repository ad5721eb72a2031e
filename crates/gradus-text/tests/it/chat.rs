//! Chat templates give the text that transformers gives.

use gradus_text::{Message, TextError};
use serde_json::Value;

use crate::{golden_json, open};

fn messages(value: &Value) -> Vec<Message> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = value.as_array().unwrap().iter();
    messages
        .map(|m| Message::new(text(&m["role"]), text(&m["content"])))
        .collect()
}

#[test]
fn templates_render_as_in_transformers() {
    let golden = golden_json("chat.json");
    let (mut rendered, mut refused) = (0, 0);
    for case in golden["cases"].as_array().unwrap() {
        let tokenizer = open("llama").with_chat_template(case["template"].as_str().unwrap());
        let generate = case["generate"].as_bool().unwrap();
        let result = tokenizer.apply_chat_template(&messages(&case["messages"]), generate);
        match &case["text"] {
            Value::String(text) => {
                assert_eq!(&result.unwrap(), text, "{}", case["template"]);
                rendered += 1;
            }
            _ => {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(case["error"].as_str().unwrap()), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((rendered, refused), (26, 4));
}

#[test]
fn what_cannot_be_rendered_is_an_error() {
    let tokenizer = open("llama");
    let hello = [Message::new("user", "hello")];
    let error = tokenizer.apply_chat_template(&hello, true).unwrap_err();
    assert!(matches!(error, TextError::NoChatTemplate), "{error}");
    let endless =
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    for template in [
        "{% for %}",
        "{{ messages[0].content.nothing() }}",
        "{{ 1 / 0 }}",
        endless,
    ] {
        let tokenizer = tokenizer.clone().with_chat_template(template);
        let error = tokenizer.apply_chat_template(&hello, true).unwrap_err();
        assert!(error.to_string().starts_with("chat template: "), "{error}");
    }
}

#[test]
fn the_prompt_is_encoded_with_its_special_tokens() {
    let template =
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";
    let tokenizer = open("llama").with_chat_template(template);
    let hello = [Message::new("user", "the dog")];
    let prompt = tokenizer.apply_chat_template(&hello, true).unwrap();
    assert_eq!(prompt, "<s>the dog</s>");
    let ids = tokenizer.encode(&prompt, false).unwrap().ids;
    assert_eq!((ids.first(), ids.last()), (Some(&1), Some(&2)));
}
