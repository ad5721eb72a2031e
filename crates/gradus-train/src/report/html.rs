//! Text of the page: escaping, numbers for people, base64.

/// Escapes text for element content and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed in HTML, but for white space.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A JSON string literal that may stand inside a `<script>` element.
pub(super) fn json_string(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('<', "\\u003c")
}

/// `61706` -> `61,706`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// Four significant digits: `0.3482`, `12.35`, `3.142e-6`.
pub(super) fn number(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN".into()
        } else {
            format!("{}∞", if x < 0.0 { "−" } else { "" })
        };
    }
    let size = x.abs();
    let text = match size {
        0.0 => "0".into(),
        s if !(1e-4..1e7).contains(&s) => {
            let text = format!("{x:.3e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{exponent}", trim_zeros(mantissa))
        }
        s if s >= 1e4 => return signed(x < 0.0, count(size.round() as u64)),
        s => {
            let decimals = (3.0 - s.log10().floor()).clamp(0.0, 9.0) as usize;
            format!("{x:.decimals$}")
        }
    };
    text.replace('-', "−").replace("e−", "e-")
}

fn signed(negative: bool, text: String) -> String {
    if negative { format!("−{text}") } else { text }
}

/// Removes trailing zeros after a decimal point.
pub(super) fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// `0.8735` -> `87.4 %` with one decimal.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    if share.is_finite() {
        format!("{:.decimals$}\u{202f}%", share * 100.0)
    } else {
        number(share)
    }
}

/// `41.3 s`, `12 min 04 s`, `2 h 03 min`.
pub(super) fn seconds(s: f64) -> String {
    if !s.is_finite() || s < 0.0 {
        return number(s);
    }
    let whole = s.round() as u64;
    match whole {
        0..60 if s < 10.0 => format!("{s:.2}\u{202f}s"),
        0..60 => format!("{s:.1}\u{202f}s"),
        60..3600 => format!("{}\u{202f}min {:02}\u{202f}s", whole / 60, whole % 60),
        _ => format!(
            "{}\u{202f}h {:02}\u{202f}min",
            whole / 3600,
            whole % 3600 / 60
        ),
    }
}

/// Standard base64 with padding (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4u32 {
            let index = (bits >> (18 - 6 * i)) & 63;
            let pad = i as usize > chunk.len();
            out.push(if pad {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{base64, count, escape, json_string, number, percent, seconds};

    #[test]
    fn escapes_all_that_html_minds() {
        assert_eq!(
            escape("<a href=\"x\" b='y'>&"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
        );
        assert_eq!(escape("a\u{0}\u{1b}[31m\n"), "a\u{fffd}\u{fffd}[31m\n");
        assert_eq!(json_string("</script>\"\n"), "\"\\u003c/script>\\\"\\n\"");
    }

    #[test]
    fn numbers_for_people() {
        let cases = [
            (0.34821, "0.3482"),
            (2.50259, "2.503"),
            (12.3456, "12.35"),
            (1234.5, "1234"),
            (61706.4, "61,706"),
            (0.0, "0"),
        ];
        let more = [
            (0.001, "0.001000"),
            (3.14159e-6, "3.142e-6"),
            (1e9, "1e9"),
            (-0.5, "−0.5000"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (x, want) in cases.into_iter().chain(more) {
            assert_eq!(number(x), want);
        }
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(percent(0.87349, 1), "87.3\u{202f}%");
        assert_eq!(percent(f64::NAN, 1), "NaN");
        assert_eq!(
            [
                seconds(1.234),
                seconds(41.27),
                seconds(724.0),
                seconds(7384.0)
            ],
            [
                "1.23\u{202f}s",
                "41.3\u{202f}s",
                "12\u{202f}min 04\u{202f}s",
                "2\u{202f}h 03\u{202f}min"
            ]
        );
    }

    #[test]
    fn base64_of_the_rfc() {
        for (bytes, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), want);
        }
        assert_eq!(base64(&[0xff, 0xef]), "/+8=");
    }
}
