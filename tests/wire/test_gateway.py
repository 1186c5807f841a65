"""Gateway fetches, v1 and v2, and the webhook dumps."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.errors import AuthError, ConfigError, SourceError, WireError

AT = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)


def read(payload: object) -> hk.Loaded:
    return hk.read_gateway(json.dumps(payload).encode(), fetched_at=AT)


def v2(**data: object) -> dict[str, Any]:
    facts = {"smallcaseAuthId": "a1", "snapshotDate": "2026-01-05T10:15:30.123Z"}
    return {"success": True, "errors": None, "data": {"securities": []} | facts | data}


def test_v1_with_its_baskets_equals_v2(samples: Path) -> None:
    master = hk.read_instruments(samples / "arrow/instruments.csv")
    owned = []
    for version in ("v1", "v2"):
        path = samples / f"gateway/holdings_{version}.json"
        loaded = hk.read_gateway(path, fetched_at=AT, instruments=master)
        assert loaded.snapshots["format"].to_list() == [f"gateway-{version}"]
        positions = hk.consolidate(hk.look_through(loaded))
        shares = positions.filter(positions["asset_class"] != "mutual_fund")
        owned.append(shares.select("instrument_id", "owned_quantity"))
    assert_frame_equal(*owned, check_row_order=False)
    assert owned[0].height == 3


def test_v2_buckets_and_identity(samples: Path) -> None:
    loaded = hk.read_gateway(samples / "gateway/holdings_v2.json", fetched_at=AT)
    sbin, yes, gold, fund = loaded.holdings.iter_rows(named=True)
    assert sbin["reconciles"] is True
    assert (sbin["reported_quantity"], sbin["position_quantity"]) == (10, 2)
    assert sbin["owned_quantity"] == 12
    assert sbin["smallcase_quantity"] == 4
    assert (yes["pledged_quantity"], yes["settled_quantity"]) == (40, 60)
    assert gold["average_price"] is None
    assert sbin["t1_quantity"] is None
    assert sbin["pledged_quantity"] is None
    assert fund["asset_class"] == "mutual_fund"
    assert fund["owned_quantity"] == Decimal("12.345")
    assert fund["price_at"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert fund["token"] == "910001/01"


@pytest.mark.parametrize(
    ("held", "nse", "bse", "owned", "average"),
    [
        ((10, 100), (5, 130), (0, 0), 15, 110),
        ((10, 100), (2, 112), (4, 106), 16, 103),
        ((10, 100), (-5, 130), None, 5, 100),
        ((0, None), (5, 130), None, 5, 130),
        ((10, 100), None, None, 10, 100),
        ((10, None), (5, 130), None, 15, None),
        ((10, 100), (5, 0), None, 15, None),
        # which came first is not told, and the average depends on it
        ((10, 100), (5, 130), (-5, 131), 10, None),
        ((None, 100), (5, 130), None, None, None),
    ],
)
def test_what_was_traded_today_is_owned_and_paid_for(
    held: tuple[object, object],
    nse: tuple[int, int] | None,
    bse: tuple[int, int] | None,
    owned: int | None,
    average: int | None,
) -> None:
    places = {
        name: dict(zip(("quantity", "averagePrice"), lot, strict=True))
        for name, lot in (("nse", nse), ("bse", bse))
        if lot is not None
    }
    row = {
        "isin": "INE062A01020",
        "nseTicker": "SBIN",
        "holdings": {"quantity": held[0], "averagePrice": held[1]},
        "positions": places,
    }
    loaded = read(v2(securities=[row]))
    found = loaded.holdings.row(0, named=True)
    assert (found["owned_quantity"], found["average_price"]) == (owned, average)
    assert hk.look_through(loaded).equals(loaded.holdings)


@pytest.mark.parametrize(
    ("private", "rows"),
    [
        ([{"scid": "P", "constituents": [{"ticker": "SBIN", "shares": 2}]}], 1),
        ({"stats": {"currentValue": 10.5, "totalReturns": -1}}, 1),
        ({"investments": [{"constituents": [{"ticker": "A", "shares": "1"}] * 2}]}, 2),
        ({"investments": [{"scid": "P"}], "stats": {"currentValue": 1}}, 1),
        ([], 0),
        (None, 0),
    ],
)
def test_private_smallcases_in_every_shape(private: object, rows: int) -> None:
    loaded = read(v2(smallcases={"public": [], "private": private}))
    assert loaded.baskets.height == rows
    assert loaded.rejects.is_empty()


def test_an_unknown_shape_of_smallcases_is_set_aside_not_lost() -> None:
    loaded = read(v2(smallcases={"public": [], "private": "none"}))
    assert "/smallcases/private" in loaded.rejects["reason"][0]
    assert loaded.snapshots["status"].to_list() == ["quarantined"]


def test_a_refusal_with_status_200_is_an_error() -> None:
    with pytest.raises(AuthError):
        read({"success": False, "errors": ["Invalid JWT"]})
    with pytest.raises(SourceError, match="invalid gateway"):
        read({"success": False, "errors": ["invalid gateway"], "data": None})


@pytest.mark.parametrize(
    "payload",
    [
        {"success": True, "data": {}},
        {"success": True, "data": []},
        {"success": True, "data": {"securities": "x"}},
        {},
        [],
    ],
)
def test_neither_v1_nor_v2_is_a_wire_error(payload: object) -> None:
    with pytest.raises(WireError):
        read(payload)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "2026-01-05T10:15:30.123Z",
            datetime(2026, 1, 5, 10, 15, 30, 123000, tzinfo=UTC),
        ),
        (1767608130123, datetime(2026, 1, 5, 10, 15, 30, 123000, tzinfo=UTC)),
        ("1767608130", datetime(2026, 1, 5, 10, 15, 30, tzinfo=UTC)),
        ("2026-01-05T15:45:30+05:30", datetime(2026, 1, 5, 10, 15, 30, tzinfo=UTC)),
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        (None, None),
    ],
)
def test_dates_in_every_published_form(said: object, meant: datetime | None) -> None:
    loaded = read(v2(snapshotDate=said))
    assert loaded.snapshots["snapshot_at"].to_list() == [meant]
    assert (loaded.snapshots["status"][0] == "quarantined") is (meant is None)


def test_a_date_that_cannot_be_read_is_set_aside() -> None:
    loaded = read(v2(snapshotDate="5 January"))
    assert "5 January" in loaded.rejects["reason"][0]
    assert loaded.snapshots["status"].to_list() == ["quarantined"]


def test_a_placeholder_costs_a_figure_and_never_a_quantity() -> None:
    lot = {"quantity": 3, "averagePrice": "N/A"}
    row = {"isin": "INE062A01020", "holdings": lot, "positions": {"nse": lot}}
    fund = {"isin": "INF000X01013", "quantity": "-", "averagePrice": 1}
    other = {"isin": "INF000X01013", "quantity": 2, "lastPrice": "-", "pnl": "nil"}
    constituents = [{"ticker": ticker, "shares": 1} for ticker in ("A", "B")]
    basket = {"stats": {"totalReturns": "NA"}, "constituents": constituents}
    loaded = read(
        v2(
            securities=[row],
            mutualFunds={"holdings": [fund, other]},
            smallcases={"public": [basket]},
        )
    )
    holdings = loaded.holdings.select("owned_quantity", "average_price", "last_price")
    assert holdings.rows() == [(6, None, None), (2, None, None)]
    assert loaded.baskets.select("quantity", "total_returns").rows() == [(1, None)] * 2
    assert dict(loaded.notices.select("pointer", "value").iter_rows()) == {
        "/data/securities/0/holdings/averagePrice": "N/A",
        "/data/securities/0/positions/nse/averagePrice": "N/A",
        "/data/mutualFunds/holdings/1/lastPrice": "-",
        "/data/mutualFunds/holdings/1/pnl": "nil",
        "/data/smallcases/public/0/stats/totalReturns": "NA",
    }
    [reason] = loaded.rejects["reason"]
    assert reason.startswith("/data/mutualFunds/holdings/0: quantity: '-'")


def test_a_ticker_that_is_no_text_is_none_and_is_reported() -> None:
    row = {"nseTicker": False, "name": "A", "holdings": {"quantity": 1}}
    loaded = read(v2(securities=[row, row | {"name": "B"}]))
    assert loaded.listings.is_empty()
    assert loaded.holdings["instrument_id"].n_unique() == 2
    assert loaded.notices.filter(kind="no_text")["pointer"].to_list() == [
        f"/data/securities/{number}/nseTicker" for number in range(2)
    ]


def test_a_wrong_check_digit_gives_no_identity() -> None:
    row = {"isin": "INE062A01021", "nseTicker": "SBIN", "holdings": {"quantity": 1}}
    loaded = read(v2(securities=[row]))
    assert loaded.holdings["instrument_id"].to_list() == ["NSE:SBIN"]
    assert loaded.holdings["isin"].to_list() == ["INE062A01021"]
    assert loaded.notices["kind"].to_list() == ["isin_check_digit"]


def test_rows_without_any_identity_stay_apart() -> None:
    row = {"holdings": {"quantity": 1, "averagePrice": 1}}
    loaded = read(v2(securities=[row | {"name": "a"}, row | {"name": "b"}]))
    assert loaded.holdings["instrument_id"].n_unique() == 2
    assert hk.consolidate(loaded.holdings).height == 2


def test_a_field_nobody_published_is_reported_at_any_depth() -> None:
    row = {
        "isin": "INE062A01020",
        "holdings": {"quantity": 1, "averagePrice": 1, "new": 1},
        "positions": {"nse": {"quantity": 1, "new": 2}, "mcx": {"quantity": 3}},
    }
    stats = {"currentValue": 1, "new": 4}
    public = [{"scid": "S", "stats": stats, "constituents": []}]
    boxes = {"public": public, "private": {"stats": stats}}
    loaded = read(v2(securities=[row], smallcases=boxes))
    found = loaded.notices.filter(kind="unknown_field")
    assert dict(found.select("pointer", "value").iter_rows()) == {
        "/data/securities/0/holdings/new": "1",
        "/data/securities/0/positions/nse/new": "2",
        "/data/securities/0/positions/mcx": '{"quantity":"3"}',
        "/data/smallcases/public/0/stats/new": "4",
        "/data/smallcases/private/stats/new": "4",
    }


class TestDumps:
    def test_the_sample_folder(self, samples: Path) -> None:
        loaded = hk.read_webhooks(samples / "webhooks", api_secret="sandbox_api_secret")
        assert loaded.snapshots.height == 4
        assert loaded.rejects["line_no"].to_list() == [2]
        assert loaded.rejects["raw"][0].startswith(b'{"securities"')
        shots = loaded.snapshots.sort("account_id")
        assert shots["checksum_ok"].to_list() == [True, True, True, False]
        assert shots["status"].to_list()[-1] == "quarantined"
        assert shots["holdings_count"].to_list() == [2, 0, 1, 1]
        assert loaded.notices["kind"].to_list() == ["unknown_field"]

    def test_no_secret_no_verdict(self, samples: Path) -> None:
        loaded = hk.read_webhooks(samples / "webhooks")
        assert loaded.snapshots["checksum_ok"].null_count() == 4

    def test_every_container_gives_the_same_frames(self, tmp_path: Path) -> None:
        body = json.dumps(v2()["data"]).encode()
        pretty = json.dumps(v2()["data"], indent=2).encode()
        made = {
            "a.ndjson": body + b"\n",
            "a.jsonl": body + b"\r\n\r\n",
            "a.json": pretty,
            "a.ndjson.gz": gzip.compress(body),
            "a.json.gz": gzip.compress(pretty),
            "a.ndjson.zst": zstandard.compress(body),
            "b.json": body + b"\n" + body + b"\n",
        }
        for name, content in made.items():
            path = tmp_path / name
            path.write_bytes(content)
            loaded = hk.read_webhooks(path)
            assert set(loaded.snapshots["account_id"]) == {"a1"}, name
            assert loaded.rejects.is_empty(), name
        everything = hk.read_webhooks(tmp_path)
        assert everything.snapshots.height == len(made) + 1
        assert everything.snapshots["snapshot_id"].n_unique() == 1
        globbed = hk.read_webhooks(str(tmp_path / "*.ndjson*"))
        assert globbed.snapshots.height == 3

    def test_one_bad_line_costs_one_reject_and_nothing_else(
        self, tmp_path: Path
    ) -> None:
        good = json.dumps(v2()["data"]).encode()
        row = {"isin": "x", "holdings": {"quantity": "?"}}
        bad = json.dumps(v2(securities=[row, row])["data"]).encode()
        lines = [good, b"{", bad, b"\xff\xfe", b"[]", b"null", b'"x"', good, b"{}"]
        path = tmp_path / "d.ndjson"
        path.write_bytes(b"\n".join(lines))
        loaded = hk.read_webhooks(path)
        assert loaded.snapshots["line_no"].to_list() == [1, 8]
        assert loaded.rejects["line_no"].to_list() == [2, 3, 4, 5, 6, 7, 9]
        assert loaded.rejects["raw"].to_list() == [*lines[1:7], lines[8]]
        assert loaded.rejects["reason"].null_count() == 0
        replay = tmp_path / "r.ndjson"
        replay.write_bytes(b"\n".join(loaded.rejects["raw"]))
        assert hk.read_webhooks(replay).rejects.height == 7

    @pytest.mark.parametrize(
        ("suffix", "pack"), [("gz", gzip.compress), ("zst", zstandard.compress)]
    )
    def test_a_torn_archive_keeps_the_lines_before_the_break(
        self, tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
    ) -> None:
        lines = [
            json.dumps(v2(smallcaseAuthId=f"{n:024x}", notes=str(n * 7919))["data"])
            for n in range(2000)
        ]
        packed = pack("\n".join(lines).encode())
        path = tmp_path / f"torn.ndjson.{suffix}"
        path.write_bytes(packed[: len(packed) // 2])
        loaded = hk.read_webhooks(path)
        assert 0 < loaded.snapshots.height < 2000
        assert "cannot be read on" in loaded.rejects["reason"][-1]

    def test_missing_paths_are_config_errors(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.json", str(tmp_path / "*.json")):
            with pytest.raises(ConfigError):
                hk.read_webhooks(path)
