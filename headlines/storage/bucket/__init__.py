"""A data root in a bucket: `HEADLINES_DATA=s3://bucket/prefix`."""
