"""Reads take turns while they are quick; a slow one holds nobody up."""

import threading

from fabfile.localcloud.simpledb.store import Store


def test_reads_go_on_while_others_are_held(tmp_path):
    store = Store(tmp_path)
    store.create_domain("r", "here")
    answers = []

    def read():
        with store.read() as snapshot:
            answers.append(snapshot.domains("r", "", 10))

    with store.read(), store.read():
        readers = [threading.Thread(target=read) for _ in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(30)
        assert answers == [["here"]] * 8
    read()
    store.close()
    assert len(answers) == 9
