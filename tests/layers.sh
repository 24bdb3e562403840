#!/bin/sh
# Includes point down only.
exec "${srcdir:-.}/scripts/layers"
