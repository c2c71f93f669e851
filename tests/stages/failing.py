"""What several processes are asked to do, and cannot."""


def main(name: str) -> None:
    raise ValueError(f"there is no {name}, expected one; make it")
