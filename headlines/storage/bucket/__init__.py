"""A data root in a bucket (`HEADLINES_DATA=s3://bucket/prefix`), with a mirror of it here.

The catalog's root stays a directory: the mirror. What all other modules read and write lies there;
`headlines.storage.artifact` and a few others bring what they read, and send what they have
written. The truth is the bucket: a mirror can be removed whenever nothing runs.
"""
