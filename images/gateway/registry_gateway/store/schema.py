"""The tables of the index. All of it but uploads, leases and last use can be rebuilt from the layouts."""

from __future__ import annotations

APPLICATION = 0x72676773  # "rggs", so that `file` and we know whose database it is
VERSION = 2  # another one is no reason to migrate: the index is rebuilt

TABLES = """
CREATE TABLE content (                 -- every digest that is stored or named by a manifest
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,               -- bytes; of content that is not here, what manifests say
  present INTEGER NOT NULL,            -- 1: the file is in blobs/
  used INTEGER NOT NULL                -- Unix seconds of the last use; grows with whatever makes it needed anew
) STRICT;
CREATE INDEX content_used ON content (used, id) WHERE present;
CREATE INDEX content_absent ON content (id) WHERE NOT present;
CREATE TABLE repositories (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,           -- grows when index.json has to change
  written INTEGER NOT NULL             -- the revision that index.json has
) STRICT;
CREATE TABLE manifests (
  repository INTEGER NOT NULL,
  content INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  artifact_type TEXT NOT NULL,         -- "" when there is none
  annotations TEXT NOT NULL,           -- JSON, kept of manifests with a subject only; otherwise ""
  subject INTEGER,                     -- the content it refers to (distribution spec, "Referrers")
  stamp INTEGER NOT NULL,              -- Unix milliseconds when it was put, here or at another replica
  PRIMARY KEY (repository, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifests_content ON manifests (content);
CREATE INDEX manifests_subject ON manifests (subject) WHERE subject IS NOT NULL;
CREATE TABLE tags (
  repository INTEGER NOT NULL,
  name TEXT NOT NULL,
  content INTEGER NOT NULL,
  checked INTEGER NOT NULL,            -- Unix seconds when it was set, or when a cache last saw that it still holds
  stamp INTEGER NOT NULL,              -- Unix milliseconds when it was set, here or at another replica
  PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_content ON tags (content);
CREATE TABLE gone (                    -- names that were removed, so that no replica brings them back
  repository INTEGER NOT NULL,
  key TEXT NOT NULL,                   -- a tag, or the digest of a manifest
  stamp INTEGER NOT NULL,              -- Unix milliseconds of the removal; of collected ones the stamp that they had
  collected INTEGER NOT NULL,          -- 1: by a collection, which is this replica's own business
  until INTEGER NOT NULL,              -- Unix milliseconds from which on it may be forgotten
  PRIMARY KEY (repository, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE links (                   -- blobs that a repository has, apart from those its manifests name
  content INTEGER NOT NULL,
  repository INTEGER NOT NULL,
  PRIMARY KEY (content, repository)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_repository ON links (repository);
CREATE TABLE refs (                    -- a manifest's children, config and layers
  parent INTEGER NOT NULL,
  child INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX refs_child ON refs (child);
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  touched INTEGER NOT NULL             -- Unix seconds
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
  content INTEGER NOT NULL,
  owner TEXT NOT NULL,
  until INTEGER NOT NULL,              -- Unix seconds
  PRIMARY KEY (content, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_owner ON leases (owner);
"""
NAMES = ("content", "repositories", "manifests", "tags", "gone", "links", "refs", "uploads", "leases")
