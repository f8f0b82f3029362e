//! Tokens of a label selector's string form.

/// A token; its text travels beside it, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Error,
    End,
    ClosedParenthesis,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    GreaterThan,
    Identifier,
    In,
    LessThan,
    NotEquals,
    NotIn,
    OpenParenthesis,
}

/// Splits the whole text; the last token is [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<(Token, String)> {
    let mut rest = text;
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else {
            out.push((Token::End, String::new()));
            return out;
        };
        let (token, literal, length) = if is_special(first) { special(rest) } else { word(rest) };
        out.push((token, literal));
        rest = &rest[length..];
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn word(rest: &str) -> (Token, String, usize) {
    let length = rest.find(|c| is_special(c) || matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
    let literal = &rest[..length];
    let token = match literal {
        "in" => Token::In,
        "notin" => Token::NotIn,
        _ => Token::Identifier,
    };
    (token, literal.to_string(), length)
}

/// The longest operator that the special characters begin with.
fn special(rest: &str) -> (Token, String, usize) {
    const OPERATORS: [(&str, Token); 9] = [
        ("==", Token::DoubleEquals),
        ("!=", Token::NotEquals),
        ("=", Token::Equals),
        ("!", Token::Not),
        ("(", Token::OpenParenthesis),
        (")", Token::ClosedParenthesis),
        (",", Token::Comma),
        (">", Token::GreaterThan),
        ("<", Token::LessThan),
    ];
    match OPERATORS.iter().find(|(literal, _)| rest.starts_with(literal)) {
        Some((literal, token)) => (*token, (*literal).to_string(), literal.len()),
        None => (Token::Error, String::new(), rest.len()),
    }
}
