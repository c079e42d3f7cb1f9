"""Schedules: functions that give the drop_prob of every block, audited by themselves."""
