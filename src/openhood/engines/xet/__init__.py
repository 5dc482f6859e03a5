"""The Xet formats: hashes, chunks, xorbs, shards and terms. No storage, no product."""
