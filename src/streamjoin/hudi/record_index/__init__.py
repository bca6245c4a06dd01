"""The record-level index of tables whose rows may move to another partition: of each record key where its row is."""
