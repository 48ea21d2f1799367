<?php
/**
 * Whether the shopper ticked a box for marketing e-mail, and where. Unknown is unknown, never a yes.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

on( 'woocommerce_set_additional_field_value', __NAMESPACE__ . '\consent_in_block' );

/**
 * The names of the boxes that newsletter plugins put on the classic checkout, and what the store adds with the filter
 * wc_winback_consent_fields. There, additional fields of the block checkout are named, too (acme/my-box).
 *
 * @return string[]
 */
function consent_fields(): array {
	$known = array(
		'mailchimp_woocommerce_newsletter',
		'mailpoet_woocommerce_checkout_optin',
		'kl_newsletter_checkbox',
		'activecampaign_for_woocommerce_accepts_marketing',
		'omnisend_newsletter_checkbox',
		'automatewoo_optin',
		'woo_ml_subscribe',
		'gr_marketing_consent',
	);
	return array_values( array_filter( (array) apply_filters( 'wc_winback_consent_fields', $known ), 'is_string' ) );
}

/**
 * Whether an additional field of the block checkout asks for marketing e-mail.
 *
 * @param string $key Like acme/marketing-consent.
 */
function asks_for_consent( string $key ): bool {
	if ( in_array( $key, consent_fields(), true ) ) {
		return true;
	}
	$name = substr( (string) strrchr( "/$key", '/' ), 1 );
	return preg_match( '/newsletter|marketing|opt[-_]?in/i', $name ) && ! preg_match( '/sms|opt[-_]?out|unsub|(^|[-_])no[-_]/i', $name );
}

/**
 * The block checkout saves its additional fields as soon as one is ticked.
 *
 * @param string $key   The field.
 * @param mixed  $value What it holds.
 */
function consent_in_block( $key, $value ): void {
	if ( WC()->session && ! is_admin() && asks_for_consent( (string) $key ) ) {
		remember_consents( array( (string) $key => $value ) );
	}
}

/**
 * Newsletter plugins send their box with the order of a block checkout, under a name of their own.
 *
 * @param mixed $extensions The request's "extensions".
 */
function consent_in_extensions( $extensions ): void {
	foreach ( is_array( $extensions ) ? $extensions : array() as $plugin => $sent ) {
		if ( is_array( $sent ) && is_scalar( $sent['optin'] ?? null ) ) {
			remember_consents( array( "$plugin/optin" => $sent['optin'] ) );
		}
	}
}

/**
 * Keeps what the boxes say until the checkout is stored. One unticked box takes nothing back that another one gave.
 *
 * @param array $boxes Name => value.
 */
function remember_consents( array $boxes ): void {
	foreach ( $boxes as $source => $value ) {
		$source = plain( $source, 100 );
		if ( ! is_scalar( $value ) || ! asks_for_consent( $source ) ) {
			continue;
		}
		$state = in_array( strtolower( (string) $value ), array( '1', 'yes', 'on', 'true' ), true ) ? 'opted_in' : 'not_opted_in';
		$kept  = consent();
		if ( ! $kept || ( $kept['consent_state'] !== $state && ( 'opted_in' === $state || $kept['consent_source'] === $source ) ) ) {
			remember(
				'consent',
				array(
					'consent_state'  => $state,
					'consent_source' => $source,
					'consent_at'     => gmdate( 'Y-m-d H:i:s' ),
				)
			);
			Seen::$touched = true;
		}
	}
}

/**
 * What this session's shopper said, as columns; empty if nothing.
 */
function consent(): array {
	$kept = memory( 'consent' );
	return is_array( $kept ) ? $kept : array();
}
