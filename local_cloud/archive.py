"""The archive's bucket without Terraform: the same as `terraform/archive.tf` makes."""

from contextlib import suppress

from fleet.adapters.aws import client
from fleet.settings import Settings

COLD_AFTER_DAYS, UNFINISHED_DAYS = 30, 7


def create_bucket(settings: Settings, bucket: str) -> str:
    """Make or correct the bucket: versioned, encrypted, private, cold after a while; returns its name."""
    s3 = client(settings, "s3")
    place = {"CreateBucketConfiguration": {"LocationConstraint": settings.aws_region}}
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        # The first region is the one that may not be named.
        s3.create_bucket(Bucket=bucket, **(place if settings.aws_region != "us-east-1" else {}))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]})
    public = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(public, True))
    transition = {"Days": COLD_AFTER_DAYS, "StorageClass": "GLACIER_IR"}
    cold = {"ID": "cold", "Filter": {"Prefix": "telemetry/"}, "Transitions": [transition]}
    unfinished = {
        "ID": "unfinished",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    }
    rules = [{"Status": "Enabled", **rule} for rule in (cold, unfinished)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    return bucket
