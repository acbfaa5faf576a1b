//! A damaged vocabulary is an error that says what is wrong, never a panic.

use steercheck_model::tokenizer::{GgufVocab, TokenizerError, from_gguf};

/// Byte-level: 256 bytes, then `th`, `the` and two special tokens.
fn gpt2() -> GgufVocab {
    let mut plain: Vec<u8> = (0x21..=0x7E).chain(0xA1..=0xAC).chain(0xAE..=0xFF).collect();
    let shifted = 256 - plain.len() as u32;
    let mut tokens: Vec<String> = plain.drain(..).map(|b| char::from(b).to_string()).collect();
    tokens.extend((0..shifted).filter_map(|n| char::from_u32(256 + n)).map(String::from));
    tokens.extend(["th", "the", "<|im_start|>", "<tool>"].map(String::from));
    let mut token_types = vec![1; 258];
    token_types.extend([3, 4]);
    GgufVocab {
        model: "gpt2".into(),
        pre: Some("smollm".into()),
        tokens,
        token_types: Some(token_types),
        merges: Some(vec!["t h".into(), "th e".into()]),
        ..GgufVocab::default()
    }
}

/// SentencePiece: unknown, BOS, 256 bytes, some letters and words.
fn llama() -> GgufVocab {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned()];
    tokens.extend((0..=255).map(|b| format!("<0x{b:02X}>")));
    tokens.extend(["\u{2581}", "t", "h", "e", "th", "the", "\u{2581}the"].map(String::from));
    let count = tokens.len();
    let mut token_types = vec![1; count];
    token_types[0] = 2;
    token_types[1] = 3;
    token_types[2..258].fill(6);
    GgufVocab {
        model: "llama".into(),
        pre: Some("default".into()),
        tokens,
        scores: Some((0..count).map(|n| -(n as f32)).collect()),
        token_types: Some(token_types),
        unknown_id: Some(0),
        ..GgufVocab::default()
    }
}

fn error(vocab: &GgufVocab) -> TokenizerError {
    from_gguf(vocab).expect_err("a damaged vocabulary gives an error")
}

fn texts(vocab: &GgufVocab, text: &str) -> Vec<String> {
    let tokenizer = from_gguf(vocab).expect("a sound vocabulary");
    tokenizer.encode(text, false).expect("text encodes").get_tokens().to_vec()
}

#[test]
fn sound_vocabularies_build_and_give_the_text_back() {
    for (vocab, text) in [(gpt2(), "the 12 th\u{e9}<|im_start|>"), (llama(), "the 12 th\u{e9}<s>")] {
        let tokenizer = from_gguf(&vocab).unwrap();
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(tokenizer.decode(ids.get_ids(), false).unwrap(), text, "{}", vocab.model);
    }
}

#[test]
fn control_tokens_in_a_text_are_text_and_user_defined_ones_are_tokens() {
    let pieces = texts(&gpt2(), "<|im_start|><tool>");
    assert_eq!(pieces.last().unwrap(), "<tool>");
    assert_eq!(pieces.len(), "<|im_start|>".len() + 1);
    let mut tokenizer = from_gguf(&gpt2()).unwrap();
    tokenizer.set_encode_special_tokens(false);
    let parsed = tokenizer.encode("<|im_start|>the", false).unwrap();
    assert_eq!(parsed.get_ids(), [258, 257]);
    assert_eq!(tokenizer.decode(parsed.get_ids(), true).unwrap(), "the");
}

#[test]
fn nothing_is_added_to_a_text_even_when_special_tokens_are_asked_for() {
    for vocab in [gpt2(), llama()] {
        let tokenizer = from_gguf(&vocab).unwrap();
        assert_eq!(tokenizer.encode("the", true).unwrap().len(), 1, "{}", vocab.model);
    }
}

#[test]
fn the_space_prefix_can_be_turned_off() {
    assert_eq!(texts(&llama(), "the"), ["\u{2581}the"]);
    assert_eq!(texts(&GgufVocab { add_space_prefix: Some(false), ..llama() }, "the"), ["the"]);
}

#[test]
fn an_unknown_model_or_pre_tokenizer_is_named_with_the_near_ones() {
    let text = error(&GgufVocab { model: "t5".into(), ..gpt2() }).to_string();
    assert!(text.contains("`t5`") && text.contains("tokenizer.json"), "{text}");
    let text = error(&GgufVocab { pre: Some("llama-bpee".into()), ..gpt2() }).to_string();
    assert!(text.contains("`llama-bpee`") && text.contains("did you mean `llama-bpe`"), "{text}");
    let text = error(&GgufVocab { pre: Some("\u{1f600}".into()), ..gpt2() }).to_string();
    assert!(!text.contains("did you mean"), "{text}");
}

#[test]
fn a_file_without_a_pre_tokenizer_is_read_as_default() {
    assert!(from_gguf(&GgufVocab { pre: None, ..gpt2() }).is_ok());
}

#[test]
fn missing_lists_are_named() {
    assert_eq!(error(&GgufVocab { tokens: vec![], ..gpt2() }), TokenizerError::Empty);
    let missing = |key, model| TokenizerError::MissingKey { key, model };
    assert_eq!(error(&GgufVocab { merges: None, ..gpt2() }), missing("tokenizer.ggml.merges", "gpt2"));
    assert_eq!(error(&GgufVocab { scores: None, ..llama() }), missing("tokenizer.ggml.scores", "llama"));
}

#[test]
fn lists_of_the_wrong_length_are_errors() {
    for scores in [vec![], vec![0.0; 3], vec![0.0; 100_000]] {
        let got = scores.len();
        let expected = llama().tokens.len();
        let want = TokenizerError::WrongLength { key: "tokenizer.ggml.scores", expected, got };
        assert_eq!(error(&GgufVocab { scores: Some(scores), ..llama() }), want);
    }
    let short = error(&GgufVocab { token_types: Some(vec![1]), ..gpt2() });
    assert!(matches!(short, TokenizerError::WrongLength { got: 1, .. }));
}

#[test]
fn token_types_outside_gguf_are_errors() {
    for value in [-1, 7, i32::MIN, i32::MAX] {
        let mut vocab = gpt2();
        vocab.token_types.as_mut().unwrap()[5] = value;
        assert_eq!(error(&vocab), TokenizerError::TokenType { id: 5, value });
    }
}

#[test]
fn duplicate_tokens_are_errors_and_empty_ones_get_a_name() {
    for mut vocab in [gpt2(), llama()] {
        let id = vocab.tokens.len() - 1;
        vocab.tokens[id] = vocab.tokens[id - 1].clone();
        let found = error(&vocab);
        assert!(matches!(found, TokenizerError::DuplicateToken { first, .. } if first as usize == id - 1), "{found}");
    }
    let mut vocab = llama();
    vocab.tokens.extend([String::new(), String::new()]);
    vocab.scores.as_mut().unwrap().extend([0.0, 0.0]);
    vocab.token_types.as_mut().unwrap().extend([5, 4]);
    assert!(from_gguf(&vocab).is_ok());
}

#[test]
fn merges_that_are_no_pair_of_tokens_are_errors() {
    for line in ["", " ", "th", "t ", "t  ", " t"] {
        let vocab = GgufVocab { merges: Some(vec![line.into()]), ..gpt2() };
        let found = error(&vocab);
        let named = matches!(found, TokenizerError::BadMerge { .. } | TokenizerError::MergeToken { .. });
        assert!(named, "{line:?}: {found}");
    }
    for (line, token) in [("t zz", "zz"), ("zz t", "zz"), ("t e", "te"), ("t h e", "h e"), ("\u{65e5} t", "\u{65e5}")] {
        let vocab = GgufVocab { merges: Some(vec!["t h".into(), line.into()]), ..gpt2() };
        let want = TokenizerError::MergeToken { index: 1, merge: line.into(), token: token.into() };
        assert_eq!(error(&vocab), want);
    }
}

#[test]
fn of_a_merge_given_twice_the_first_counts() {
    let merges = ["h e", "t h", "th e", "h e"].map(String::from).to_vec();
    let mut vocab = GgufVocab { merges: Some(merges), ..gpt2() };
    vocab.tokens.push("he".into());
    vocab.token_types.as_mut().unwrap().push(1);
    assert_eq!(texts(&vocab, "the"), ["t", "he"]);
}

#[test]
fn a_byte_without_a_token_ends_a_piece_and_vanishes() {
    let mut vocab = gpt2();
    let x = vocab.tokens.iter().position(|t| t == "x").unwrap();
    vocab.tokens[x] = "unreachable".into();
    assert_eq!(texts(&vocab, "txhe"), ["t", "h", "e"]);
}

#[test]
fn scores_that_rank_nothing_are_errors() {
    let mut vocab = llama();
    vocab.scores.as_mut().unwrap()[4] = f32::NAN;
    assert_eq!(error(&vocab), TokenizerError::BadScore { id: 4 });
    let count = llama().tokens.len();
    let flat = GgufVocab { scores: Some(vec![0.0; count]), ..llama() };
    assert_eq!(error(&flat), TokenizerError::SameScores { score: 0.0 });
    let infinite = (0..count).map(|n| if n % 2 == 0 { f32::NEG_INFINITY } else { f32::INFINITY }).collect();
    assert!(from_gguf(&GgufVocab { scores: Some(infinite), ..llama() }).is_ok());
}

#[test]
fn a_missing_byte_token_or_an_unknown_id_outside_is_an_error() {
    let mut vocab = llama();
    vocab.tokens[2 + 0x41] = "nothing".into();
    assert_eq!(error(&vocab), TokenizerError::MissingByte { byte: 0x41 });
    let vocab = GgufVocab { unknown_id: Some(u32::MAX), ..llama() };
    assert_eq!(error(&vocab), TokenizerError::UnknownId { id: u32::MAX, tokens: llama().tokens.len() });
}
