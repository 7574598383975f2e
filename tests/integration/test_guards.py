"""test_guards.py -- Each test of the promise fails when the check it guards is taken away."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("DORY_FAULTS_BUILD")

STORED = "Deflated.test_a_stored_page_is_not_served_again__"
LATER = "Deflated.test_a_fetch_that_ends_later_is_given_to_its_client_only__"
JOIN = "Deflated.test_a_request_that_comes_later_does_not_share_an_older_fetch__"
TWO = "TwoDaemons.test_a_"

# How a test must fail: for the reason it is there for, not for another.
OLD_SERVED = r"\(200, '(old|\d+)'\) != \(200, '(new|\d+)'\)"
OLD_JOINED = "it joined a fetch"
OLD_STORED = "something old was stored"
OLD_READ = r"has version \d+, \d+ was acknowledged"
OLD_AFTER_CUT = (r"harm at record \d+: (key \d+ lives at version|"
                 r"a deflate that was acknowledged is not on record)")
NOT_SHARED = "AssertionError: (Items in the second set|1 != 50)"
FAILED = r"\(503, 'no'\) != \(200, 'old'\)"
OLD_SPARED = r"\(200, 'old'\) != \(503, 'no'\)"
GRACED = "test_grace.WhileRevalidating.test_"
SPARED = "test_grace.IfError.test_at_an_error_"
QUEUE = "test_queue."
NAMES = "test_names.Names.test_"
LEFT = "test_flow.Left.test_"
CONNECTING = "test_backend.Connecting.test_"
POWERCUT = "test_powercut.PowerCut.test_what_was_acknowledged_outlives_power_cuts"
CUTS = "200"
CHECKER = "test_consistency.Consistency.test_hard_deflates_one_process"

# What DORY_FAULT takes away, the tests that must see it, and what they must say.
GUARDS = {
    "hit": (OLD_SERVED, [
        STORED + "key__by_admin", STORED + "bloat__by_command", STORED + "partial_key__by_admin",
        STORED + "tag_of_bloat__by_write", STORED + "tag_of_response__by_admin",
        STORED + "all__by_write",
        TWO + "deflate_through_one_is_seen_by_the_next_request_to_the_other"]),
    # The checker with readers at random must be able to find what it looks for.
    "hit ": (OLD_READ, [CHECKER]),
    "sequence-late ": (OLD_READ, [CHECKER]),
    "join": (OLD_JOINED, [
        JOIN + "key__by_admin", JOIN + "bloat__by_command", JOIN + "partial_key__by_admin",
        JOIN + "tag_of_bloat__by_admin", JOIN + "all__by_write",
        TWO + "fetch_of_one_is_not_joined_after_a_deflate_through_the_other"]),
    "lease": ("1 requests for /page/a, not 2", [
        "test_leases.TwoProcesses.test_a_deflate_before_the_request_makes_it_fetch_for_itself",
        "test_leases.TwoProcesses."
        "test_who_comes_after_a_deflate_does_not_wait_with_those_who_came_before"]),
    "lease ": ("it waits for the older fetch", [
        "test_leases.TwoProcesses.test_a_second_fetch_after_a_deflate_is_waited_for_too"]),
    "lease-sequence": ("not within 4 s: it waits", [
        "test_leases.OnePlace.test_a_fetch_counts_from_when_it_is_sent"]),
    "headroom": ("not within [0-9.]+ s: a hit on long|nothing failed", [
        "test_store_faults.Mounts.test_a_disk_of_any_size_that_is_full_is_a_full_store"]),
    "file-quota": ("not within [0-9.]+ s: a hit", [
        "test_store_faults.Injected."
        "test_a_quota_that_body_files_have_used_up_is_a_full_store"]),
    "lease-deadline": ("1 requests for /page/a, not 2", [
        "test_leases.TwoProcesses.test_a_stopped_owner_is_overtaken_and_its_late_result_refused"]),
    "lease-dead": (r"\d+ not less than 1500", [
        "test_leases.TwoProcesses.test_a_killed_owner_is_replaced_at_once"]),
    "lease-failure": ("2 != 1", [
        "test_leases.TwoProcesses.test_a_fetch_that_fails_is_made_once_for_all_processes",
        "test_leases.TwoProcesses.test_an_error_of_the_backend_is_asked_for_once_by_all_processes"]),
    "lease-alone": (r"\d requests for /page/a, not \d", [
        "test_leases.TwoProcesses.test_what_cannot_be_stored_is_fetched_side_by_side"]),
    "lease-variant": ("not within 4 s: it waits for the variant", [
        "test_leases.Variants.test_a_variant_that_joined_the_fetch_of_another_is_fetched_once",
        "test_leases.Variants."
        "test_a_variant_that_came_after_the_head_of_another_is_fetched_once"]),
    "lease-stored": (r"\d+ != 200", [
        "test_leases.TwoProcesses."
        "test_who_asks_while_another_stores_it_makes_no_fetch_of_its_own"]),
    "refresh-stored": (r"\d+ != 400", [
        "test_leases.TwoProcesses."
        "test_who_finds_it_stale_while_another_refreshes_it_makes_no_fetch_of_its_own"]),
    "lease-token": (r"'old'\) != \(200, 'new'\)", [
        "test_leases.TwoProcesses.test_a_stopped_owner_is_overtaken_and_its_late_result_refused"]),
    "shareable": (NOT_SHARED, [
        "test_coalescing.Coalescing.test_a_response_with_no_store_is_not_shared",
        "test_coalescing.Coalescing.test_a_response_with_set_cookie_is_not_shared",
        "test_coalescing.Coalescing.test_a_private_response_is_not_shared"]),
    "no-store": (NOT_SHARED, [
        "test_coalescing.Coalescing.test_a_response_with_no_store_is_not_shared"]),
    "private": (NOT_SHARED, ["test_coalescing.Coalescing.test_a_private_response_is_not_shared"]),
    "set-cookie": (NOT_SHARED, [
        "test_coalescing.Coalescing.test_a_response_with_set_cookie_is_not_shared"]),
    "share-vary": ("'for u", [
        "test_coalescing.Coalescing.test_each_value_of_a_varying_field_gets_its_own_page"]),
    "side-by-side": ("2 requests for /page/a, not 3", [
        "test_coalescing.Coalescing."
        "test_other_values_of_a_varying_field_are_fetched_side_by_side"]),
    "apart": (r"\d+ requests for /page/a, not 21", [
        "test_coalescing.Coalescing.test_after_a_private_response_nobody_waits_for_the_next"]),
    "refresh-one": ("[3-9] != 2", [GRACED + "the_bloat_has_grace"]),
    "refresh-lease": ("3 != 2|4 != 3", [
        "test_leases.TwoProcesses.test_one_process_refreshes_what_is_stale",
        "test_leases.TwoProcesses.test_one_process_refreshes_what_was_not_for_others_last_time"]),
    "conditional": ("None != '\"1\"'", [GRACED + "the_bloat_has_grace"]),
    "extension-said": ("no answer at once", [GRACED + "the_response_asks_for_it"]),
    "extension-set": ("no answer at once", [GRACED + "the_bloat_has_grace"]),
    "extension-said ": (FAILED, [SPARED + "the_response_asks_for_it"]),
    "extension-set ": (FAILED, [SPARED + "the_bloat_has_it"]),
    "grace-end": (OLD_SERVED, [
        GRACED + "grace_ends", GRACED + "the_time_that_the_response_gives_ends"]),
    "error-end": (OLD_SPARED, [
        SPARED + "the_time_of_the_bloat_ends", SPARED + "the_time_that_the_response_gives_ends"]),
    "hit-and-stale": (OLD_SERVED, [GRACED + "a_hard_deflate_ends_it"]),
    "stale ": (OLD_SPARED, [SPARED + "a_hard_deflate_ends_it"]),
    "must-revalidate": (OLD_SERVED, [GRACED + "never_against_must_revalidate"]),
    "must-revalidate ": (OLD_SPARED, [SPARED + "never_against_must_revalidate"]),
    "proxy-revalidate": (OLD_SERVED, [GRACED + "never_against_proxy_revalidate"]),
    "proxy-revalidate ": (OLD_SPARED, [SPARED + "never_against_proxy_revalidate"]),
    "no-cache": (OLD_SERVED, [GRACED + "never_against_no_cache"]),
    "no-cache ": (OLD_SPARED, [SPARED + "never_against_no_cache"]),
    "s-maxage": (OLD_SERVED, [GRACED + "never_against_s_maxage"]),
    "s-maxage ": (OLD_SPARED, [SPARED + "never_against_s_maxage"]),
    "tags": (OLD_SERVED, [
        JOIN + "tag_of_response__by_admin", JOIN + "tag_of_response__by_command"]),
    "store": (OLD_STORED, [
        LATER + "key__by_admin", LATER + "bloat__by_write", LATER + "partial_key__by_admin",
        LATER + "tag_of_response__by_admin", LATER + "all__by_command",
        TWO + "fetch_of_one_is_not_kept_after_a_deflate_through_the_other"]),
    "sequence-late": (OLD_STORED, [
        LATER + "key__by_admin", LATER + "bloat__by_write", LATER + "partial_key__by_command",
        LATER + "all__by_admin"]),
    "snapshot": (OLD_SERVED, [
        TWO + "deflate_through_one_is_seen_by_the_next_request_to_the_other"]),
    "share": (OLD_SERVED, [
        TWO + "deflate_through_one_is_seen_by_the_next_request_to_the_other"]),
    "write": (OLD_SERVED, [
        "Posted.test_an_answer_to_a_post_that_a_deflate_overtook_is_not_stored"]),
    "stale": ("200 != 502", ["Stale.test_a_deflated_page_does_not_stand_in_for_a_failed_fetch"]),
    "floor": (OLD_SERVED, ["Floor.test_a_deflate_no_longer_on_record_still_holds"]),
    "ack-early": (OLD_SERVED, [
        "Crash.test_a_deflate_by_admin_outlives_kill_9",
        "Crash.test_deflates_outlive_kill_9_at_once_ten_times"]),
    # Only the power cut sees these: what the kernel has outlives a kill.
    "ack-early ": (OLD_AFTER_CUT, [POWERCUT]),
    "sync": (OLD_AFTER_CUT, [POWERCUT]),
    "unlink-early": ("unlinked before the commit was synced", [
        "test_powercut.Order."
        "test_a_body_is_unlinked_after_what_took_its_entry_away_was_synced"]),
    "commit": (OLD_SERVED, [
        "Crash.test_a_deflate_by_admin_outlives_kill_9",
        "Crash.test_a_deflate_by_command_outlives_kill_9",
        "Crash.test_a_deflate_by_write_outlives_kill_9",
        "Crash.test_deflates_outlive_kill_9_at_once_ten_times"]),
    "put-back": ("it was deflated", [
        "test_store_faults.Away.test_a_copy_of_it_that_is_older_brings_nothing_back"]),
    "brink": ("it was deflated", [
        "test_store_hostile.StoppedReader.test_deflates_find_no_room_and_hold_all_the_same"]),
    "intent": (OLD_SERVED, ["Crash.test_a_write_cut_off_by_kill_9_counts_as_done"]),
    "queue": ("fetches at once", [QUEUE + "OneWorker.test_no_more_than_max_fetches_are_sent_at_once"]),
    "queue-next": ("nobody gave it the place", [
        QUEUE + "OneWorker.test_no_more_than_max_fetches_are_sent_at_once"]),
    "queue-others": ("nobody gave it the place", [
        QUEUE + "TwoWorkers.test_a_place_that_one_worker_gives_up_another_takes"]),
    "queue-patience": ("it waits for ever", [
        QUEUE + "Patience.test_who_gets_no_place_within_first_byte_timeout_gets_504"]),
    "queue-first-byte": ("more time than the others", [
        QUEUE + "Patience.test_time_in_the_queue_counts_against_first_byte_timeout"]),
    "queue-timeout": ("more time than the others", [
        QUEUE + "Patience.test_time_in_the_queue_counts_against_timeout"]),
    "name-beside": ("no answer in time", [
        NAMES + "a_name_that_is_not_found_in_time_holds_up_its_own_requests_only"]),
    "name-time": ("no answer in time", [
        NAMES + "a_name_that_is_not_found_in_time_holds_up_its_own_requests_only"]),
    "name-blame": ("1.0 != 0", [
        NAMES + "a_name_that_is_not_found_in_time_holds_up_its_own_requests_only"]),
    "name-found": ("no answer in time", [NAMES + "who_waits_for_a_name_goes_on_once_it_is_found"]),
    "name-kept": ("name has no address", [
        NAMES + "an_address_that_is_known_is_kept_while_dns_hangs"]),
    "name-threads": (r"\d+ not less than or equal to \d+", [
        NAMES + "however_many_names_hang_threads_are_few"]),
    "name-end": ("it waits for DNS", [NAMES + "who_hangs_in_dns_ends_in_time"]),
    "next-url": ("50[24]", [
        CONNECTING + "where_one_url_refuses_the_next_is_asked",
        CONNECTING + "where_one_url_hangs_the_next_is_asked",
        NAMES + "where_one_name_hangs_the_next_url_is_asked"]),
    "sent-once": ("200 != 504", [CONNECTING + "what_one_url_has_seen_is_never_sent_to_the_next"]),
    "fresh": ("it was sent again", [
        "test_backend.Once.test_a_post_is_not_sent_again_where_a_kept_connection_breaks"]),
    "breaker": (r"40.0 not less than or equal to", [
        CONNECTING + "a_backend_that_is_down_is_left_alone_but_for_a_probe"]),
    "breaker-probe": ("not within 3 s: a probe", [
        CONNECTING + "a_backend_that_is_down_is_left_alone_but_for_a_probe"]),
    "breaker-end": ("1.0 != 0", [
        CONNECTING + "a_backend_that_is_down_is_left_alone_but_for_a_probe"]),
    "breaker-one": ("probes at once", [CONNECTING + "while_one_probes_nobody_else_does"]),
    "leave-cancel": ("the backend still sends|not within", [
        LEFT + "what_is_not_stored_is_cancelled_when_its_client_leaves",
        NAMES + "a_client_that_leaves_while_its_backend_is_looked_up_costs_nothing"]),
    "leave-told": ("all flights ended", [LEFT + "who_leaves_as_soon_as_it_has_asked_is_noticed"]),
    "leave-keep": ("not within", [LEFT + "what_is_stored_goes_on_when_its_client_leaves"]),
    "leave-write": ("not within 20 s: deflates", [
        "test_rules.Invalidation.test_a_write_tells_what_it_changed_when_its_client_has_left_too"]),
    "write-early": (OLD_SERVED, ["Order.test_a_write_is_answered_after_its_deflate"]),
}


def whole(name):
    return name if name.startswith("test_") else "test_race." + name


def run(names, fault):
    env = {**os.environ, "DORY_BUILD": BUILD, "DORY_FAULT": fault.strip(),
           "DORY_POWERCUTS": CUTS}
    command = [sys.executable, os.path.join(HERE, "run.py"), *(whole(n) for n in names)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600,
                          check=False).stdout


@unittest.skipUnless(BUILD, "DORY_FAULTS_BUILD names no build made with -Dfaults=true")
class Guards(unittest.TestCase):
    def test_nothing_fails_where_nothing_is_taken_away(self):
        names = sorted({name for _, guards in GUARDS.values() for name in guards})
        out = run(names, "")
        self.assertIn(f"{len(names)} passed, 0 failed", out, out)


def add_guard(fault, name, words):
    def test(self):
        out = run([name], fault)
        self.assertIn(f"FAIL  {whole(name)} ", out, f"not seen without {fault}:\n{out}")
        self.assertRegex(out, words)
        self.assertIn("0 passed, 1 failed", out, out)
    setattr(Guards, f"test_without_{fault.strip().replace('-', '_')}__{name.split('.')[-1][5:]}", test)


for _fault, (_words, _names) in GUARDS.items():
    for _name in _names:
        add_guard(_fault, _name, _words)
