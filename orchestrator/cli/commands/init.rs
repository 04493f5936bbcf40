//! `trainyard init`: a small project on real data that runs at once.

use crate::args::InitArgs;
use crate::output::{Exit, Fault, Terminal, Tone};
use std::fs;
use std::path::PathBuf;
use trainyard_contract::PipelineName;

/// Path in the project and content; `NAME` stands for the pipeline's name.
const FILES: &[(&str, &str)] = &[
    ("trainyard.yaml", include_str!("../template/trainyard.yaml")),
    (
        "contracts/credit.yaml",
        include_str!("../template/contracts/credit.yaml"),
    ),
    (
        "pipelines/NAME.yaml",
        include_str!("../template/pipelines/pipeline.yaml"),
    ),
    (
        "data/german_credit.csv",
        include_str!("../template/data/german_credit.csv"),
    ),
    ("data/DATA.md", include_str!("../template/data/DATA.md")),
    (".gitignore", ".trainyard/\nsecrets.env\n"),
];

pub(crate) fn init(args: &InitArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let name: PipelineName = args.name.parse()?;
    let targets: Vec<(PathBuf, String)> = FILES
        .iter()
        .map(|(path, content)| {
            let place = |text: &str| text.replace("NAME", name.as_str());
            (
                args.folder.join(place(path)),
                if path.ends_with(".csv") {
                    (*content).to_owned()
                } else {
                    place(content)
                },
            )
        })
        .collect();
    // All or nothing: a file of the user's is never overwritten.
    if let Some((taken, _)) = targets
        .iter()
        .find(|(path, _)| path.exists() && !path.ends_with(".gitignore"))
    {
        return Err(Fault::new(format!("{} is there already", taken.display()))
            .help("choose an empty folder: `trainyard init FOLDER`"));
    }
    for (path, content) in &targets {
        if path.exists() {
            continue;
        }
        let doing = || format!("could not write {}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Fault::while_doing(doing(), &error))?;
        }
        fs::write(path, content).map_err(|error| Fault::while_doing(doing(), &error))?;
        if terminal.verbose() > 0 {
            terminal.status(Tone::Quiet, "Wrote", path.display());
        }
    }
    if terminal.is_json() {
        let files: Vec<String> = targets
            .iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        terminal.out_json(&serde_json::json!({ "pipeline": name.as_str(), "files": files }));
        return Ok(Exit::Done);
    }
    let folder = args.folder.display();
    terminal.status(
        Tone::Good,
        "Created",
        format!("project with pipeline `{name}` in {folder}"),
    );
    let go = if args.folder.as_os_str() == "." {
        String::new()
    } else {
        format!("cd {folder} && ")
    };
    terminal.status(Tone::Quiet, "Next", format!("{go}trainyard run"));
    Ok(Exit::Done)
}
