<?php
/**
 * WordPress's tools for personal data, and forgetting by itself.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.DB.PreparedSQL.InterpolatedNotPrepared -- Only the tables' names, and values that literal() wrote.

add_filter( 'wp_privacy_personal_data_exporters', __NAMESPACE__ . '\add_exporter' );
add_filter( 'wp_privacy_personal_data_erasers', __NAMESPACE__ . '\add_eraser' );
add_action( 'admin_init', __NAMESPACE__ . '\suggest_policy' );
add_action( PRUNE_HOOK, __NAMESPACE__ . '\prune' );

/**
 * Tools > Export Personal Data.
 *
 * @param array $exporters Those there are.
 */
function add_exporter( $exporters ): array {
	$exporters['winback-for-woocommerce'] = array(
		'exporter_friendly_name' => __( 'Unfinished checkouts', 'winback-for-woocommerce' ),
		'callback'               => __NAMESPACE__ . '\export_shopper',
	);
	return $exporters;
}

/**
 * Tools > Erase Personal Data.
 *
 * @param array $erasers Those there are.
 */
function add_eraser( $erasers ): array {
	$erasers['winback-for-woocommerce'] = array(
		'eraser_friendly_name' => __( 'Unfinished checkouts', 'winback-for-woocommerce' ),
		'callback'             => __NAMESPACE__ . '\erase_shopper',
	);
	return $erasers;
}

/**
 * Everything stored about an address.
 *
 * @param string $email The address.
 * @param int    $page  From 1.
 */
function export_shopper( $email, $page = 1 ): array {
	global $wpdb;
	$table = checkouts_table();
	$rows  = $wpdb->get_results(
		$wpdb->prepare( "SELECT * FROM $table WHERE email = %s ORDER BY id LIMIT 50 OFFSET %d", $email, 50 * ( max( 1, (int) $page ) - 1 ) ),
		ARRAY_A
	);
	$items = array();
	foreach ( $rows as $row ) {
		$items[] = array(
			'group_id'    => 'winback-for-woocommerce',
			'group_label' => __( 'Unfinished checkouts', 'winback-for-woocommerce' ),
			'item_id'     => 'checkout-' . $row['id'],
			'data'        => exported( $row ),
		);
	}
	return array(
		'data' => $items,
		'done' => count( $rows ) < 50,
	);
}

/**
 * One checkout for its shopper to read.
 *
 * @param array $row The row.
 */
function exported( array $row ): array {
	$contact = json_decode( $row['contact'], true );
	$cart    = json_decode( $row['cart'], true );
	$lines   = array_map( static fn( $line ) => $line['quantity'] . ' × ' . $line['name'], $cart['lines'] );
	$data    = array(
		__( 'E-mail', 'winback-for-woocommerce' )        => $row['email'],
		__( 'Name', 'winback-for-woocommerce' )          => trim( $contact['first_name'] . ' ' . $contact['last_name'] ),
		__( 'Phone', 'winback-for-woocommerce' )         => $contact['phone'],
		__( 'Country', 'winback-for-woocommerce' )       => $contact['country'],
		__( 'Language', 'winback-for-woocommerce' )      => $contact['locale'],
		__( 'Cart', 'winback-for-woocommerce' )          => implode( ', ', $lines ),
		__( 'Total', 'winback-for-woocommerce' )         => $cart['total'] . ' ' . $cart['currency'],
		__( 'Status', 'winback-for-woocommerce' )        => $row['status'],
		__( 'Consent', 'winback-for-woocommerce' )       => trim( $row['consent_state'] . ' ' . $row['consent_source'] . ' ' . $row['consent_at'] ),
		__( 'Begun', 'winback-for-woocommerce' )         => $row['created_at'] . ' UTC',
		__( 'Last activity', 'winback-for-woocommerce' ) => $row['activity_at'] . ' UTC',
	);
	$data    = array_filter( $data );
	return array_map(
		static fn( $name, $value ) => array(
			'name'  => $name,
			'value' => $value,
		),
		array_keys( $data ),
		$data
	);
}

/**
 * Erases everything stored about an address.
 *
 * @param string $email The address.
 */
function erase_shopper( $email ): array {
	global $wpdb;
	$gone = $wpdb->delete( checkouts_table(), array( 'email' => $email ) );
	return array(
		'items_removed'  => (bool) $gone,
		'items_retained' => false,
		'messages'       => false === $gone ? array( __( 'The database did not answer; please try again.', 'winback-for-woocommerce' ) ) : array(),
		'done'           => true,
	);
}

/**
 * A paragraph for the store's privacy policy.
 */
function suggest_policy(): void {
	wp_add_privacy_policy_content(
		'Winback for WooCommerce',
		wp_kses_post(
			'<p>' . __( 'When you enter your e-mail address at our checkout, we store it together with your name, phone number, country and cart, even if you do not place the order, so that we can remind you of it. We delete it after 30 days.', 'winback-for-woocommerce' ) . '</p>'
		)
	);
}

/**
 * Forgets checkouts that nobody touched for 30 days, and daily numbers after 400.
 */
function prune(): void {
	global $wpdb;
	$checkouts = checkouts_table();
	$days      = days_table();
	$keep      = max( 1, (int) apply_filters( 'wc_winback_keep_days', 30 ) );
	$wpdb->query( $wpdb->prepare( "DELETE FROM $checkouts WHERE activity_at < UTC_TIMESTAMP() - INTERVAL %d DAY", $keep ) );
	$wpdb->query( "DELETE FROM $days WHERE day < UTC_DATE() - INTERVAL 400 DAY" );
}

/**
 * Ends the daily forgetting while the plugin is switched off.
 */
function stop_forgetting(): void {
	wp_clear_scheduled_hook( PRUNE_HOOK );
	delete_option( VERSION_OPTION ); // Switched on again, it is set up again.
}
