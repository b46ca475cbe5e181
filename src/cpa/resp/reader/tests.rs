use super::*;

const IDLE: Duration = Duration::from_mins(1);

fn reader(bytes: &[u8]) -> Reader<&[u8]> {
    Reader::new(bytes, IDLE)
}

#[tokio::test]
async fn every_kind_of_reply_is_read() {
    let mut reader =
        reader(b"+OK\r\n$-1\r\n:1\r\n$2\r\n{}\r\n*2\r\n$1\r\na\r\n:0\r\n*-1\r\n*0\r\n");
    let mut replies = Vec::new();
    for _ in 0..6 {
        replies.push(format!("{:?}", reader.next().await.unwrap()));
    }
    let expected = [
        "Ok",
        "Nil",
        "Other",
        "Bulk(b\"{}\")",
        "Array([Bulk(b\"a\"), Other])",
        "Nil",
    ];
    assert_eq!(replies, expected);
    assert_eq!(reader.records().await.unwrap(), 0);
    let end = reader.next().await;
    assert!(matches!(end, Err(RespFailure::Ended(None))), "{end:?}");
}

#[tokio::test]
async fn a_long_bulk_string_is_cut_and_the_next_one_is_whole() {
    let long = MAX_KEPT + 100_000;
    let mut bytes = format!("*2\r\n${long}\r\n").into_bytes();
    bytes.resize(bytes.len() + long, b'x');
    bytes.extend_from_slice(b"\r\n$2\r\n{}\r\n");
    let mut reader = reader(&bytes);
    assert_eq!(reader.records().await.unwrap(), 2);
    assert_eq!(reader.record().await.unwrap().len(), MAX_KEPT);
    assert_eq!(reader.record().await.unwrap(), "{}");
}

#[tokio::test]
async fn arrays_are_bounded() {
    for bytes in [&b"*17\r\n"[..], b"*1\r\n*1\r\n:1\r\n", b"*99999999999\r\n"] {
        let reply = reader(bytes).next().await;
        assert!(matches!(reply, Err(RespFailure::Protocol(_))), "{reply:?}");
    }
}

#[tokio::test]
async fn a_message_that_ends_early_is_cut() {
    let message = b"*3\r\n$7\r\nmessage\r\n$5\r\nusage\r\n$2\r\n{}\r\n";
    for end in 0..message.len() {
        let failure = reader(&message[..end]).message().await.unwrap_err();
        let is_cut = matches!(failure, RespFailure::Cut(_));
        assert_eq!(is_cut, end > 0, "{end} {failure}");
    }
    let whole = reader(message).message().await.unwrap();
    assert!(matches!(whole, Message::Payload(_)), "{whole:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reply_is_read_as_long_as_bytes_flow() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let mut reader = Reader::new(ours, IDLE);
    let sending = async {
        use tokio::io::AsyncWriteExt as _;
        for byte in b"*1\r\n$10\r\n0123456789\r\n" {
            tokio::time::sleep(Duration::from_secs(59)).await;
            theirs.write_all(&[*byte]).await.unwrap();
        }
    };
    let reading = async {
        assert_eq!(reader.records().await.unwrap(), 1);
        assert_eq!(reader.record().await.unwrap(), "0123456789");
        // Nothing more comes.
        let failure = reader.record().await.unwrap_err();
        assert!(matches!(failure, RespFailure::Timeout(IDLE)), "{failure}");
    };
    tokio::join!(sending, reading);
}

proptest::proptest! {
    /// Any bytes, and replies with any byte replaced: a reply or an error, never a panic.
    #[test]
    fn damaged_replies_are_replies_or_errors(
        bytes: Vec<u8>, at in 0..60_usize, byte: u8, record in ".{0,40}",
    ) {
        let array = format!("*2\r\n${}\r\n{record}\r\n$-1\r\n", record.len());
        let replies = [
            bytes,
            array.into_bytes(),
            b"-ERR IP banned due to too many failed attempts. Try again in 29m58s\r\n".to_vec(),
            b"*3\r\n$7\r\nmessage\r\n$5\r\nusage\r\n$2\r\n{}\r\n".to_vec(),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for mut reply in replies {
            let at = at % reply.len().max(1);
            for damage in [false, true] {
                if damage && let Some(place) = reply.get_mut(at) {
                    *place = byte;
                }
                // A failure's text quotes no record.
                if let Err(failure) = runtime.block_on(reader(&reply).next()) {
                    proptest::prop_assert!(!failure.to_string().is_empty());
                }
            }
        }
    }
}
