# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's stock kernel under TCG, with busybox for a user space."""
SCENARIOS = []
