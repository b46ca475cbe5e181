//! What stands in a page as code: between backquotes, or as a block.

/// A piece of code and whether it is a whole command line.
pub(super) struct Code {
    pub(super) text: String,
    pub(super) is_block: bool,
}

/// Spans and the lines of shell blocks, continuation lines joined.
pub(super) fn of(text: &str) -> Vec<Code> {
    let mut found = Vec::new();
    let (mut block, mut joined) = (None, String::new());
    for line in text.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, block) {
            (Some(language), None) => block = Some(matches!(language.trim(), "" | "sh")),
            (Some(_), Some(_)) => block = None,
            (None, Some(true)) => {
                let line = line.trim().trim_start_matches("$ ");
                if let Some(part) = line.strip_suffix('\\') {
                    joined.push_str(part);
                    continue;
                }
                let text = std::mem::take(&mut joined) + line;
                found.push(Code {
                    text,
                    is_block: true,
                });
            }
            (None, Some(false)) => {}
            (None, None) => found.extend(spans(line)),
        }
    }
    assert!(block.is_none(), "a block has no end");
    found
}

fn spans(line: &str) -> Vec<Code> {
    let parts = line.split('`').enumerate();
    let inside = parts.filter(|(number, _)| number % 2 == 1);
    inside
        .map(|(_, text)| Code {
            text: text.to_owned(),
            is_block: false,
        })
        .collect()
}

/// The text without its code.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if !block {
            let parts = line.split('`').step_by(2).collect::<Vec<_>>();
            out += &parts.join("x");
            out.push('\n');
        }
    }
    out
}

#[test]
fn code_is_told_from_prose() {
    let text = "a `b` c `d`\n```sh\n$ x \\\n  --y # z\n```\n```toml\nk = 1\n```\n[e](f)\n";
    let texts: Vec<_> = of(text).into_iter().map(|c| (c.text, c.is_block)).collect();
    let wanted = [("b", false), ("d", false), ("x --y # z", true)];
    let wanted = wanted.map(|(text, block)| (text.to_owned(), block));
    assert_eq!(texts, wanted);
    assert_eq!(prose(text), "a x c x\n[e](f)\n");
}
