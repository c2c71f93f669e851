"""A small data set in the layout of TAU, right or with a fault."""

HEADER = ["filename_audio", "filename_video", "scene_label"]
SCENES = ("bus", "park", "tram")


def clip(scene, city, location, segment):
    name = f"{scene}-{city}-{location}-{segment}"
    return (f"audio/{name}.wav", f"video/{name}.mp4", scene)


def train_clips(places=4):
    cities = ("lisbon", "lyon")
    return [
        clip(scene, cities[place % 2], 100 * s + place, 1000 * s + 10 * place + segment)
        for s, scene in enumerate(SCENES)
        for place in range(places)
        for segment in range(2)
    ]


TRAIN = train_clips()
TEST = [clip(scene, "paris", 900 + s, 9000 + s) for s, scene in enumerate(SCENES)]


def write_csv(path, header, rows, *, delimiter="\t", end="\n", bom=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(delimiter.join(row) + end for row in (header, *rows))
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))


def write_media(root, clips):
    for audio, video, _ in clips:
        for path in {audio, video}:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(path.encode())


def with_identifier(clips):
    return [(*c, c[0].removeprefix(f"audio/{c[2]}-").rpartition("-")[0]) for c in clips]


def write(root, *, train=TRAIN, test=TEST, evaluate=TEST, meta=None, header=HEADER, **form):
    """Write a data set; a list that is None makes no csv."""
    write_media(root, [*(train or ()), *(test or ()), *(evaluate or ())])
    setup = root / "evaluation_setup"
    if train is not None:
        write_csv(setup / "fold1_train.csv", header, train, **form)
    if test is not None:
        write_csv(setup / "fold1_test.csv", header[:2], [c[:2] for c in test], **form)
    if evaluate is not None:
        write_csv(setup / "fold1_evaluate.csv", header, evaluate, **form)
    if meta is not None:
        write_csv(root / "meta.csv", [*header, "identifier"], meta, **form)
    return root
