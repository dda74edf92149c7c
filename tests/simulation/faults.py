"""What may befall the node, its machine and its monitor. Each fault is begun at a moment between two ticks."""

from __future__ import annotations

from tests.simulation import of_machine, of_node, of_people
from tests.simulation.fault import Fault

FAULTS = (
    Fault("crash", of_node.crash),
    Fault("crashes", of_node.crash_again),
    Fault("crashes for good", of_node.crash_for_good),
    Fault("corrupt state", of_node.fatal),
    Fault("bad build", of_node.fatal_build),
    Fault("livelock", of_node.livelock),
    Fault("lock held", of_node.stranger),
    Fault("lock held twice", of_node.stranger_again),
    Fault("freeze", of_node.freeze, (45, 115)),
    Fault("freeze, aborted", of_node.freeze),
    Fault("hang", of_node.hang),
    Fault("soft fail", of_node.soft_fail),
    Fault("soft livelock", of_node.soft_livelock),
    Fault("memory", of_node.memory),
    Fault("lost sync", of_node.lost_sync),
    Fault("lag", of_node.lag),
    Fault("disk full", of_machine.disk_full),
    Fault("no room", of_machine.no_room),
    Fault("disk tight", of_machine.disk_tight),
    Fault("log moved", of_machine.log_moved),
    Fault("log deleted", of_machine.log_deleted),
    Fault("state damaged", of_machine.state_damaged),
    Fault("record damaged", of_machine.record_damaged),
    Fault("session wiped", of_machine.session_wiped),
    Fault("session wiped beside its node", of_machine.session_wiped_beside),
    Fault("clock ahead", of_machine.clock_ahead),
    Fault("clock behind", of_machine.clock_behind),
    Fault("power cut", of_machine.power_cut),
    Fault("long power cut", of_machine.long_power_cut),
    Fault("cron off", of_machine.cron_off),
    Fault("deploy by hand", of_people.deploy),
    Fault("deploy that never syncs", of_people.deploy_stalled),
    Fault("deploy and power cut", of_people.deploy_and_power_cut),
    Fault("tracker away", of_people.tracker_away),
    Fault("tracker vague", of_people.tracker_vague),
    Fault("two cron lines", of_people.two_cron_lines),
)
