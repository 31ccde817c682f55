/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt's domain XML tells beyond the command line. */
#pragma once

#include "case/vm.h"

/*
 * Files of the serial ports, consoles and channels: sets the path of the vm's serial whose label is
 * "char" and the device's alias, as libvirt calls its chardevs. Reads the form that libvirt writes,
 * not any XML; what it does not find stays as it is.
 */
void vh_libvirt_xml_serials(struct vh_str xml, struct vh_vm *vm);
