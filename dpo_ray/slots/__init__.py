"""Warm slots: Ray Train worker groups that outlive their trials."""
