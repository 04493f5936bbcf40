//! Pipelines as of a git revision, and the version that every run records of its files.

use crate::http::Served;
use crate::yard::{Answer, Yard};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

const PIPELINE: &str = "\
version: 1
name: test
include: [contracts/rows.yaml]
datasets:
  tracked: {path: data/tracked.csv, contract: rows}
  beside: {path: data/beside.csv, contract: rows}
steps:
  say:
    run: |
      cat words.txt > \"$OUT_said\"
      cat \"$IN_tracked\" \"$IN_beside\" >> \"$OUT_said\"
      pwd > \"$OUT_place\"
    inputs: {tracked: tracked, beside: beside}
    code: [words.txt]
    outputs: {said: {type: file}, place: {type: file}}
";

/// A project in a repository of its own: two commits, `v1` and the newest, and a file that git does not know.
fn yard() -> Yard {
    let yard = Yard::with(PIPELINE);
    yard.write(
        "contracts/rows.yaml",
        "version: 1\nname: rows\ncolumns:\n  word: {type: string}\n",
    );
    yard.write(".gitignore", "beside.csv\n.trainyard\n");
    yard.write("words.txt", "old words\n");
    yard.write("data/tracked.csv", "word\nold row\n");
    yard.write("data/beside.csv", "word\nbeside\n");
    git(&yard, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&yard, "first");
    git(&yard, &["tag", "v1"]);
    yard.write("words.txt", "new words\n");
    yard.write("data/tracked.csv", "word\nnew row\n");
    commit(&yard, "second");
    yard
}

fn git(yard: &Yard, args: &[&str]) -> String {
    let done = command(yard, args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
}

fn command(yard: &Yard, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(["-c", "commit.gpgSign=false", "-c", "core.protectNTFS=false"])
        .args(args)
        .current_dir(yard.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn commit(yard: &Yard, message: &str) -> String {
    git(yard, &["add", "--all"]);
    git(yard, &["commit", "--quiet", "--message", message]);
    git(yard, &["rev-parse", "HEAD"])
}

/// The id of an object of that content.
fn object(yard: &Yard, kind: &str, content: &[u8]) -> String {
    use std::io::Write;
    let args = ["hash-object", "-w", "--literally", "--stdin", "-t", kind];
    let mut child = command(yard, &args).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
}

/// A commit of a tree of one entry beside the pipeline, whatever its name.
fn hostile(yard: &Yard, mode: &str, name: &[u8], content: &[u8]) -> String {
    let id = match mode {
        "160000" => git(yard, &["rev-parse", "HEAD"]),
        _ => object(yard, "blob", content),
    };
    let raw = |id: &str| -> Vec<u8> {
        (0..id.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
            .collect()
    };
    let mut tree = Vec::new();
    let pipeline = git(yard, &["rev-parse", "HEAD:pipeline.yaml"]);
    for (mode, name, id) in [
        (mode.as_bytes(), name, &id),
        (b"100644".as_slice(), b"pipeline.yaml".as_slice(), &pipeline),
    ] {
        tree.extend([mode, b" ", name, b"\0"].concat());
        tree.extend(raw(id));
    }
    let tree = object(yard, "tree", &tree);
    git(yard, &["commit-tree", &tree, "-m", "hostile"])
}

fn run(yard: &Yard, args: &[&str]) -> Value {
    let mut all = vec!["run", "pipeline.yaml"];
    all.extend(args);
    yard.trainyard(&all).expect(0);
    yard.json(&["runs", "show", "latest"])
}

/// A file that a run gave.
fn given(yard: &Yard, run: &Value, output: &str) -> String {
    let hash = run["steps"]["say"]["outputs"][output]["hash"].as_str().unwrap();
    let hash = hash.rsplit(':').next().unwrap();
    let found = find(&yard.home().join("objects"), hash).unwrap_or_else(|| panic!("{hash} is nowhere"));
    std::fs::read_to_string(found).unwrap()
}

fn find(folder: &Path, hash: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return find(&path, hash);
        }
        let whole: String = path.to_string_lossy().replace('/', "");
        whole.ends_with(hash).then_some(path)
    })
}

fn checkouts(yard: &Yard) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(yard.home().join("checkouts")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

fn refused(answer: Answer, message: &str, help: &str) {
    assert_ne!(answer.code, Some(0), "{answer}");
    assert!(answer.err.contains(message), "wanted `{message}`: {answer}");
    assert!(answer.err.contains(help), "wanted `{help}`: {answer}");
    assert!(!answer.err.contains("panicked"), "{answer}");
}

#[test]
fn a_run_of_a_revision_takes_its_files_and_the_projects_data_that_git_does_not_have() {
    let yard = yard();
    let first = git(&yard, &["rev-parse", "v1"]);
    let old = run(&yard, &["--revision", "v1"]);
    assert_eq!(
        given(&yard, &old, "said"),
        "old words\nword\nold row\nword\nbeside\n"
    );
    assert_eq!(old["code"]["commit"], first.as_str());
    assert_eq!(old["code"]["revision"], "v1");
    assert_eq!(old["code"]["is_dirty"], false);
    let place = given(&yard, &old, "place");
    assert_eq!(checkouts(&yard), [Path::new(place.trim_end())]);

    let new = run(&yard, &[]);
    assert_eq!(
        given(&yard, &new, "said"),
        "new words\nword\nnew row\nword\nbeside\n"
    );
    assert_eq!(new["code"]["revision"], Value::Null);
    assert_eq!(new["code"]["branch"], "main");
}

#[test]
fn the_same_files_have_the_same_results_whether_by_revision_or_in_the_folder() {
    let yard = yard();
    run(&yard, &[]);
    let again = run(&yard, &["--revision", "HEAD"]);
    assert_eq!(again["steps"]["say"]["state"], "reused", "{again}");
    // Three names of the same files are one checkout.
    run(&yard, &["--revision", "main"]);
    assert_eq!(checkouts(&yard).len(), 1);
}

#[test]
fn check_and_plan_look_at_the_revision_too() {
    let yard = yard();
    yard.write("pipeline.yaml", "version: 1\nname: test\nsteps: {a: {run: }\n");
    yard.trainyard(&["check"]).expect(1);
    yard.trainyard(&["check", "--revision", "v1"]).expect(0);
    let plan = yard
        .trainyard(&["plan", "pipeline.yaml", "--revision", "v1"])
        .expect(0);
    assert!(plan.out.contains("say"), "{plan}");

    // What is applied is what was planned, whatever has become of the folder.
    let saved = yard.json(&["plan", "pipeline.yaml", "--revision", "v1", "--save"]);
    yard.trainyard(&["apply", saved["id"].as_str().unwrap()])
        .expect(0);
    let applied = yard.json(&["runs", "show", "latest"]);
    assert_eq!(applied["code"]["revision"], "v1");
}

#[test]
fn what_a_revision_lacks_is_said() {
    let yard = yard();
    let at = |revision: &str| yard.trainyard(&["run", "pipeline.yaml", "--revision", revision]);
    refused(
        at("mainn"),
        "there is no revision `mainn`",
        "did you mean `main`?",
    );
    refused(at("nothing-like-it"), "there is no revision", "git fetch");
    yard.write("later.yaml", PIPELINE);
    refused(
        yard.trainyard(&["run", "later.yaml", "--revision", "v1"]),
        "there is no file later.yaml at revision",
        "pipelines there are pipeline.yaml",
    );

    let bare = Yard::with(PIPELINE);
    refused(
        bare.trainyard(&["run", "pipeline.yaml", "--revision", "v1"]),
        "is in no git repository",
        "the git repository that the project lies in",
    );
    let without = yard
        .command(&["run", "pipeline.yaml", "--revision", "v1"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    refused(without.into(), "git is not installed", "install git");
}

#[test]
fn no_revision_is_an_option_of_git() {
    let yard = yard();
    let canary = yard.path().join("canary");
    let upload = format!("--upload-pack=touch {}", canary.display());
    let output = format!("--output={}", canary.display());
    for hostile in [
        upload.as_str(),
        output.as_str(),
        "--exec-path=/tmp",
        "-h",
        "--",
        "",
        "HEAD:../../x",
        "HEAD:pipeline.yaml",
        "v1\nHEAD",
        "$(touch canary)",
        "main; touch canary",
        "../../../etc/passwd",
        &"x".repeat(10_000),
    ] {
        let revision = format!("--revision={hostile}");
        for command in [vec!["run", "pipeline.yaml", &revision], vec!["check", &revision]] {
            refused(yard.trainyard(&command), "revision", "");
        }
    }
    assert!(!canary.exists());
    assert!(checkouts(&yard).is_empty());
}

#[test]
fn no_tree_writes_or_leads_outside_its_checkout() {
    let yard = yard();
    for (mode, name, content, reason) in [
        ("120000", "etc".as_bytes(), "/etc", "a link that leaves"),
        ("120000", b"up", "../../../x", "a link that leaves"),
        ("100644", b"../escaped", "x", "leaves the folder"),
        ("100644", b"..", "x", "leaves the folder"),
        ("100644", b".git", "x", "the repository's own"),
    ] {
        let commit = hostile(&yard, mode, name, content.as_bytes());
        let answer = yard.trainyard(&["run", "pipeline.yaml", "--revision", &commit]);
        refused(answer, reason, "is not taken");
    }
    assert!(checkouts(&yard).is_empty());
    assert!(!yard.home().join("escaped").exists());
    assert!(!yard.home().join("checkouts/escaped").exists());
}

#[test]
fn submodules_are_left_out_and_strange_names_are_names() {
    let yard = yard();
    for (mode, name, is_there) in [
        ("160000", "module", false),
        ("100644", "two\nlines", true),
        ("120000", "link", true),
    ] {
        let commit = hostile(&yard, mode, name.as_bytes(), b"pipeline.yaml");
        let before = checkouts(&yard);
        // Its contract is not there: the files are, and that is what is looked at.
        let checked = yard.trainyard(&["check", "--revision", &commit]);
        assert!(!checked.err.contains("is not taken"), "{checked}");
        let made = checkouts(&yard).into_iter().find(|path| !before.contains(path));
        let made = made.unwrap_or_else(|| panic!("{name:?} has no checkout: {checked}"));
        assert_eq!(made.join(name).symlink_metadata().is_ok(), is_there, "{name:?}");
    }
}

#[test]
fn hooks_and_filters_of_the_repository_do_not_run() {
    let yard = yard();
    let canary = yard.path().join("canary");
    let touch = format!("touch {}; cat", canary.display());
    git(&yard, &["config", "filter.evil.smudge", &touch]);
    git(&yard, &["config", "filter.evil.clean", &touch]);
    git(&yard, &["config", "core.fsmonitor", &touch]);
    std::fs::write(yard.path().join(".git/info/attributes"), "* filter=evil\n").unwrap();
    let hook = yard.path().join(".git/hooks/post-checkout");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    run(&yard, &["--revision", "v1"]);
    run(&yard, &[]);
    assert!(!canary.exists());
}

#[test]
fn a_file_that_git_lfs_keeps_elsewhere_comes_from_the_project() {
    let yard = yard();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
    yard.write("data/tracked.csv", pointer);
    commit(&yard, "moved to lfs");
    yard.write("data/tracked.csv", "word\nlarge\n");
    let run = run(&yard, &["--revision", "HEAD"]);
    assert!(given(&yard, &run, "said").contains("large"), "{run}");
}

#[test]
fn every_run_records_the_commit_and_what_was_changed_since() {
    let yard = yard();
    let commit = git(&yard, &["rev-parse", "HEAD"]);
    let clean = run(&yard, &[]);
    assert_eq!(
        clean["code"],
        json!({ "commit": commit, "branch": "main", "is_dirty": false, "changed": [], "revision": null })
    );
    // A file that the run does not go by is no change of it; one that it does is.
    yard.write("notes.txt", "unrelated");
    assert_eq!(run(&yard, &[])["code"]["is_dirty"], false);
    yard.write("words.txt", "changed words\n");
    git(&yard, &["checkout", "--quiet", "--detach"]);
    let dirty = run(&yard, &[]);
    assert_eq!(dirty["code"]["changed"], json!(["words.txt"]));
    assert_eq!(dirty["code"]["branch"], Value::Null);
    let shown = yard.trainyard(&["runs", "show", "latest"]).expect(0);
    let line = format!("code {}, with changes in words.txt", &commit[..12]);
    assert!(shown.out.contains(&line), "{shown}");

    let id = |run: &Value| run["run"].as_str().unwrap().to_owned();
    let diff = yard
        .trainyard(&["runs", "diff", &id(&clean), &id(&dirty)])
        .expect(0);
    assert!(diff.out.contains("code.is_dirty"), "{diff}");
}

#[test]
fn without_git_or_with_one_that_hangs_a_run_is_made_all_the_same() {
    let yard = yard();
    let bin = yard.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let hangs = bin.join("git");
    std::fs::write(&hangs, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&hangs, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for folder in [bin.display().to_string(), "/nonexistent".to_owned()] {
        let path = match folder.as_str() {
            "/nonexistent" => {
                // Everything but git.
                let tools = yard.path().join("tools");
                std::fs::create_dir(&tools).unwrap();
                for tool in ["sh", "cat", "pwd"] {
                    symlink(format!("/bin/{tool}"), tools.join(tool)).unwrap();
                }
                tools.display().to_string()
            }
            bin => format!("{bin}:/usr/bin:/bin"),
        };
        let answer: Answer = yard
            .command(&["run", "pipeline.yaml", "--no-reuse"])
            .env("PATH", path)
            .output()
            .unwrap()
            .into();
        answer.expect(0);
        assert_eq!(yard.json(&["runs", "show", "latest"])["code"], Value::Null);
    }
}

#[test]
fn a_checkout_that_was_removed_is_made_again_for_a_retry() {
    let yard = yard();
    yard.edit(
        "pipeline.yaml",
        "cat words.txt >",
        "test -e ok || exit 1; cat words.txt >",
    );
    commit(&yard, "fails");
    yard.trainyard(&["run", "pipeline.yaml", "--revision", "HEAD"])
        .expect(1);
    let made = checkouts(&yard);
    assert_eq!(made.len(), 1);
    // Read-only, so that one run cannot change the files of another.
    let mode = std::os::unix::fs::PermissionsExt::mode(&made[0].metadata().unwrap().permissions());
    assert_eq!(mode & 0o222, 0);
    std::fs::set_permissions(&made[0], std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(&made[0], yard.home().join("gone")).unwrap();
    yard.trainyard(&["runs", "retry", "latest"]).expect(1);
    assert_eq!(checkouts(&yard), made);
}

#[test]
fn old_checkouts_go_when_no_run_needs_them() {
    let yard = yard();
    run(&yard, &["--revision", "v1"]);
    let old = checkouts(&yard);
    let lock = old[0].with_extension("lock");
    let week_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7 * 24 * 3600);
    let age = || {
        let lock = std::fs::File::options().write(true).open(&lock).unwrap();
        lock.set_modified(week_ago).unwrap();
        lock
    };
    let held = age();
    held.lock_shared().unwrap();
    run(&yard, &["--revision", "HEAD"]);
    assert!(old[0].is_dir(), "it is in use");
    drop(held);
    age();
    run(&yard, &["--revision", "HEAD"]);
    assert!(!old[0].exists());
    assert_eq!(checkouts(&yard).len(), 1);
}

#[test]
fn the_server_takes_a_revision_and_its_rules_of_today() {
    let yard = yard();
    // An environment that was open to all at `v2` has a rule now.
    yard.edit(
        "pipeline.yaml",
        "datasets:",
        "environments: {dev: {}, prod: {}}\ndatasets:",
    );
    commit(&yard, "with environments");
    git(&yard, &["tag", "v2"]);
    yard.edit("pipeline.yaml", "prod: {}", "prod: {read_only: true}");
    let served = Served::start(&yard);
    let made = served
        .post("/api/v1/runs", &json!({ "pipeline": "test", "revision": "v1" }))
        .expect(201);
    let shown = served.ended(made["id"].as_str().unwrap());
    assert_eq!(shown["status"], "succeeded", "{shown}");
    assert_eq!(shown["code"]["revision"], "v1");
    assert_eq!(shown["code"]["is_dirty"], false);
    let around = json!({ "pipeline": "test", "revision": "v2", "environment": "prod" });
    let around = served.post("/api/v1/runs", &around);
    assert_eq!(around.refused(422), "run-not-admitted");
    let plan = json!({ "revision": "v1" });
    served.post("/api/v1/pipelines/test/plan", &plan).expect(200);

    let code = |revision: &str| {
        let body = json!({ "pipeline": "test", "revision": revision });
        served.post("/api/v1/runs", &body).refused(422)
    };
    assert_eq!(code("v9"), "revision-not-found");
    assert_eq!(code("HEAD:../../x"), "revision-not-found");
    for hostile in ["--upload-pack=touch canary", "a\0b", "", &"x".repeat(10_000)] {
        assert_eq!(code(hostile), "revision-invalid", "{hostile:?}");
    }
    let unknown = served.post("/api/v1/runs", &json!({ "pipeline": "none", "revision": "v1" }));
    assert_eq!(unknown.refused(422), "pipeline-not-at-revision");
}
