//! What is known to differ between CPA and the upstreams behind the captured records.

/// Where the upstream counted other tokens than CPA reported: file, model, account, client, ours
/// minus theirs by kind, and why.
pub(super) type Deviation = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    [i64; 6],
    &'static str,
);

pub(super) const DEVIATIONS: [Deviation; 10] = [
    (
        "claude",
        "claude-sonnet-4-5-20250929",
        "c9d00c9440a23bca",
        "ck-bob-02",
        [-1234, -777, -55, 0, 0, 0],
        "CPA takes the first event with usage at its top, which had output tokens only",
    ),
    (
        "oauth-claude",
        "claude-sonnet-4-5-20250929",
        "fcd1f4d039385d7a",
        "ck-bob-02",
        [-1234, -777, -55, 0, 0, 0],
        "as above",
    ),
    (
        "codex",
        "gpt-image-2",
        "231536fa11433566",
        "ck-bob-02",
        [-33, 0, 0, -800, 0, 0],
        "an answer of the image endpoint says its tokens twice, as usage and as tool usage",
    ),
    (
        "oauth-codex",
        "gpt-image-2",
        "282a22a36c32b2ee",
        "ck-ci-β-03",
        [-33, 0, 0, -800, 0, 0],
        "as above",
    ),
    (
        "compat",
        "deep-chat-v3",
        "61f7261ab7d6200f",
        "ck-bob-02",
        [0, 0, 0, 0, 0, 333],
        "an answer with a total only, which no kind of the upstream's log has",
    ),
    (
        "compat",
        "deep-chat-v3",
        "61f7261ab7d6200f",
        "ck-dashboard-04",
        [64 + 10, -64, 0, 0, 0, 0],
        "cached tokens under a name that CPA does not read; 500 cached beside an input of 10",
    ),
    (
        "compat",
        "deep-chat-v3",
        "630a6a994884f777",
        "ck-bob-02",
        [64, -64, 0, 0, 0, 0],
        "cached tokens under a name that CPA does not read",
    ),
    (
        "interactions",
        "gemini-3-pro-preview",
        "63760da1c2345e5d",
        "ck-ci-β-03",
        [-3024, 0, 0, -132, -208, 0],
        "a request without a record",
    ),
    (
        "oauth-vertex",
        "gemini-2.5-pro",
        "fabf38ba46361dd2",
        "ck-dashboard-04",
        [16517, -16517, 0, -329, -815, 0],
        "CPA takes the first chunk with usage, not the last",
    ),
    (
        "vertex",
        "gemini-2.5-pro",
        "3359dfdcca7b5e71",
        "ck-bob-02",
        [10168, -10168, 0, -897, 0, 0],
        "as above",
    ),
];
