"""decode: media.csv, the media -> data/media/, data/quarantine.csv, metrics/decode.csv."""

import hashlib
import json
import logging
from pathlib import Path

import avsc.media
from avsc import executors, params
from avsc.artifacts import extraction, manifest, media, metrics
from avsc.artifacts.damage import HEAL
from avsc.artifacts.making import Encode, Quarantined
from avsc.artifacts.shard import Arrays
from avsc.params.data import Decode
from avsc.params.executors import Executor
from avsc.threads import cores, in_threads

log = logging.getLogger(__name__)


def main() -> None:
    p = params.load("decode", Decode)
    on_error = p.pop("on_error")
    if on_error not in ("stop", "quarantine"):
        raise ValueError(f"decode.on_error is {on_error!r}, expected stop or quarantine")
    root = Path(params.load("index.root"))
    clips = {
        r["clip_id"]: r for r in manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    }
    keys = {
        c: extraction.key_of("media", avsc.media.VERSION, r["audio_sha256"], r["video_sha256"], p)
        for c, r in clips.items()
    }

    def decode(clip_id: str) -> Arrays:
        r = clips[clip_id]
        for kind in ("audio", "video"):
            _check_digest(root / r[kind], r[f"{kind}_sha256"])
        try:
            clip = avsc.media.decode(root / r["audio"], root / r["video"], **p)
        except avsc.media.DecodeError as error:
            if on_error == "stop":
                raise
            raise Quarantined(str(error)) from error
        for note in clip.notes:
            log.warning("%s: %s", clip_id, note)
        return media.arrays(clip.waveform, clip.pictures)

    def opened() -> Encode:
        return in_threads(decode, threads=cores(), passed_on=(Quarantined,))

    about = {"made_by": "decode", "params": json.dumps(p, sort_keys=True)}
    execute = executors.create(params.load("executor", Executor))
    tally = extraction.extract(Path("data/media"), keys, opened, about=about, execute=execute)
    if tally.quarantined and on_error == "stop":
        raise ValueError(
            f"{len(tally.quarantined)} clips were quarantined by an earlier run, the first "
            f"{next(iter(tally.quarantined))!r}; mend them, or set decode.on_error: quarantine"
        )
    rows = [{"clip_id": c, "cause": why} for c, why in tally.quarantined.items()]
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, rows)
    counts = {"data": params.load("data"), "clips": len(keys), "quarantined": len(rows)}
    metrics.write_table(Path("metrics/decode.csv"), [counts])
    print(f"decode: {tally}")


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ValueError(f"{path} is gone since it was indexed; run `dvc repro -f index`")
    with path.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} has changed since it was indexed; if you changed it, run `dvc repro -f "
            f"index`; if not, fetch it again, or, if a stage wrote it, {HEAL}"
        )


if __name__ == "__main__":
    main()
