//! Paths that are not a model.

use std::path::Path;

use super::common::random::{self, Sizes};
use super::{is_about, options, use_model};
use steercheck_model::ModelError;
use tempfile::TempDir;

fn error(path: &Path) -> ModelError {
    use_model(path, &options(0)).expect_err("this must be refused")
}

#[test]
fn a_path_that_is_not_a_model_is_refused_with_what_to_give_instead() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    is_about("no such path", &error(&at("nowhere")), "Io", "check that the path exists");
    is_about("no such path", &error(Path::new("")), "Io", "check that the path exists");
    is_about("an empty folder", &error(folder.path()), "NotAModel", "it holds no config.json; give a folder with");
    std::fs::create_dir(at("x.gguf")).unwrap();
    is_about("a folder with a file's name", &error(&at("x.gguf")), "NotAModel", "it holds no config.json");
    std::fs::write(at("empty.gguf"), "").unwrap();
    is_about("an empty file", &error(&at("empty.gguf")), "Damaged", "the file is empty");
    for (name, bytes) in [
        ("notes.txt", b"To be or not to be".as_slice()),
        ("model.bin", b"PK\x03\x04"),
        ("model.safetensors", &[8, 0, 0, 0, 0, 0, 0, 0, b'{', b'}', 32, 32, 32, 32, 32, 32]),
        ("one.gguf", b"g"),
    ] {
        std::fs::write(at(name), bytes).unwrap();
        is_about(
            name,
            &error(&at(name)),
            "NotAModel",
            "give a folder with config.json and *.safetensors or pytorch_model.bin",
        );
    }
    let config = random::config("llama", Sizes::SMALL);
    std::fs::create_dir(at("bare")).unwrap();
    std::fs::write(at("bare/config.json"), config.to_string()).unwrap();
    is_about(
        "no weights",
        &error(&at("bare")),
        "NotAModel",
        "neither model.safetensors, model.safetensors.index.json, pytorch_model.bin nor pytorch_model.bin.index.json",
    );
    std::fs::write(at("bare/model.safetensors"), "").unwrap();
    is_about("empty weights", &error(&at("bare")), "Damaged", "the file is empty");
    std::fs::remove_file(at("bare/model.safetensors")).unwrap();
    std::fs::create_dir(at("bare/model.safetensors")).unwrap();
    is_about("a folder as weights", &error(&at("bare")), "Io", "not a regular file");
    std::fs::remove_file(at("bare/config.json")).unwrap();
    std::fs::create_dir(at("bare/config.json")).unwrap();
    is_about("a folder as configuration", &error(&at("bare")), "Io", "config.json");
}

/// Pipes and devices: what is read must not wait for a writer.
#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// The error of a path, if it comes within ten seconds.
    fn prompt_error(path: &Path) -> ModelError {
        let (send, receive) = mpsc::channel();
        let owned = path.to_path_buf();
        std::thread::spawn(move || send.send(use_model(&owned, &options(0))));
        match receive.recv_timeout(Duration::from_secs(10)) {
            Ok(result) => result.expect_err("this must be refused"),
            Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                panic!("{} makes the reader wait", path.display())
            }
        }
    }

    #[test]
    fn pipes_and_devices_are_refused_without_waiting() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        pipe(&at("pipe.gguf"));
        for path in [at("pipe.gguf"), "/dev/null".into(), "/dev/zero".into()] {
            is_about("a device", &prompt_error(&path), "NotAModel", "neither a file nor a folder");
        }
        let config = random::config("llama", Sizes::SMALL);
        std::fs::create_dir(at("model")).unwrap();
        std::fs::write(at("model/config.json"), config.to_string()).unwrap();
        pipe(&at("model/model.safetensors"));
        is_about("a pipe as weights", &prompt_error(&at("model")), "Io", "not a regular file");
        std::fs::remove_file(at("model/model.safetensors")).unwrap();
        pipe(&at("model/model.safetensors.index.json"));
        is_about("a pipe as index", &prompt_error(&at("model")), "Io", "not a regular file");
        std::fs::remove_file(at("model/model.safetensors.index.json")).unwrap();
        symlink("/dev/zero", at("model/model.safetensors")).unwrap();
        is_about("a link to a device", &prompt_error(&at("model")), "Io", "not a regular file");
    }

    #[test]
    fn links_are_followed_and_broken_ones_are_refused() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = random::config("llama", Sizes::SMALL);
        random::write_folder(&at("blobs"), &config, &random::tensors(&config, 1));
        std::fs::create_dir(at("model")).unwrap();
        for name in ["config.json", "model.safetensors"] {
            symlink(at("blobs").join(name), at("model").join(name)).unwrap();
        }
        use_model(&at("model"), &options(0)).unwrap();
        std::fs::remove_file(at("blobs/model.safetensors")).unwrap();
        is_about("a broken link", &error(&at("model")), "NotAModel", "neither");
        symlink(at("loop"), at("loop")).unwrap();
        is_about("a loop", &error(&at("loop")), "Io", "no such file");
    }

    #[test]
    fn a_file_that_may_not_be_read_is_said_to_be_so() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, "GGUF").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // The superuser may read everything.
        if std::fs::File::open(&path).is_err() {
            is_about("no permission", &error(&path), "Io", "readable");
        }
    }
}
