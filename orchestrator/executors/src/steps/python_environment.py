# Arguments: requirements file, script, its arguments. One environment for each content of the
# requirements and interpreter, made under a lock, marked complete last.
import fcntl, hashlib, os, shutil, subprocess, sys

requirements, script = sys.argv[1], sys.argv[2]
try:
    with open(requirements, "rb") as file:
        content = file.read()
except OSError as error:
    sys.exit(f"cannot read requirements {requirements}: {error.strerror}")
key = hashlib.sha256(content + sys.version.encode() + sys.executable.encode()).hexdigest()[:24]
cache = os.environ.get("TRAINYARD_CACHE") or os.path.join(os.getcwd(), ".trainyard", "cache")
home = os.path.join(cache, "python", key)
python, complete = os.path.join(home, "bin", "python"), os.path.join(home, "complete")
os.makedirs(os.path.dirname(home), exist_ok=True)
with open(home + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(complete):
        print(f"making a Python environment from {requirements}", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", home])
        if made.returncode:
            sys.exit("could not make a virtual environment (python -m venv)")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        if subprocess.run(pip + ["-r", requirements]).returncode:
            sys.exit(f"pip could not install what {requirements} asks for; see its lines above")
        with open(complete, "w"):
            pass
os.execv(python, [python, script] + sys.argv[3:])
