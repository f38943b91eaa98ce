from fleet.infrastructure.names import InfrastructureNames


def test_the_longest_bucket_name_is_one_that_s3_takes() -> None:
    names = InfrastructureNames("p" * 32)
    for bucket in (names.state_bucket, names.archive_bucket):
        assert len(bucket("0" * 12, "ap-northeast-1")) <= 63
